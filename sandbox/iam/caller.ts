import { GoogleError } from '../errors/google-error.ts';
import type { Caller } from '../http/caller.ts';
import type { Policy } from './policy.ts';

/** The owner of the sandbox's project: who deploys, and who plays the application. */
export const OWNER = 'user:owner@sandbox.invalid';

/** A principal under the project's policy; `groups` are the groups that it belongs to. */
export function callerOf(policy: Policy, member: string, groups: readonly string[] = []): Caller {
  const members = [member, ...groups];
  const may = (permission: string, resource: string): boolean =>
    member === OWNER || policy.permits(members, permission, resource);
  return {
    member,
    may,
    require(permission, resource) {
      if (may(permission, resource.name)) return;
      throw new GoogleError('PERMISSION_DENIED', resource.denied(permission, member));
    },
    as: (other) => callerOf(policy, other),
  };
}
