import { randomUUID } from 'node:crypto';
import { GoogleError } from '../errors/google-error.ts';
import type { Caller } from '../http/caller.ts';
import type { Call, Route } from '../http/router.ts';
import { callerOf, OWNER } from './caller.ts';
import { METHODS } from './methods.ts';
import { Policy } from './policy.ts';

/** The sandbox's own routes are not Google's and ask for no permission. */
const OWN = '/sandbox/';

/** https://cloud.google.com/docs/authentication/troubleshoot-adc */
const NO_TOKEN =
  'Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.';
const BAD_TOKEN =
  'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.';

/** A call that was denied: what `GET /sandbox/v1/iam:denied` shows. */
export interface Denied {
  readonly member: string;
  readonly permission: string;
  readonly resource: string;
}

/** Denials are remembered for tests and for people who look for a missing role. */
const KEPT_DENIALS = 200;

/** The sandbox's IAM: its policy, the access tokens of this process, and the check of every call. */
export class Iam {
  readonly policy: Policy;
  readonly denied: Denied[] = [];
  /** The owner's access token. */
  readonly ownerToken: string;
  readonly #tokens = new Map<string, Caller>();
  readonly #project: () => string;

  /** `project`: what the paths of BigQuery and Cloud Storage fold into. */
  constructor(state: string, project: () => string) {
    this.policy = new Policy(state);
    this.#project = project;
    this.ownerToken = this.token(OWNER);
  }

  /** An access token of a principal; `groups` are those that it belongs to. */
  token(member: string, groups: readonly string[] = []): string {
    const token = `sandbox.${randomUUID()}`;
    this.#tokens.set(token, this.caller(member, groups));
    return token;
  }

  /** A principal without a token, for what the sandbox does on its behalf. */
  caller(member: string, groups: readonly string[] = []): Caller {
    return this.#watched(callerOf(this.policy, member, groups));
  }

  /** Whose token it is. @throws GoogleError UNAUTHENTICATED */
  readonly callerOf = (authorization: string | undefined): Caller => {
    const named = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
    const caller = named === undefined ? undefined : this.#tokens.get(named);
    if (caller !== undefined) return caller;
    throw new GoogleError('UNAUTHENTICATED', named === undefined ? NO_TOKEN : BAD_TOKEN);
  };

  #watched(caller: Caller): Caller {
    return {
      ...caller,
      require: (permission, resource) => {
        try {
          caller.require(permission, resource);
        } catch (error) {
          this.denied.push({ member: caller.member, permission, resource: resource.name });
          if (this.denied.length > KEPT_DENIALS) this.denied.shift();
          throw error;
        }
      },
    };
  }

  /** Who makes a call to a route, once it is known that it may. */
  readonly admit = (route: Pick<Route, 'method' | 'path'>, call: Omit<Call, 'caller'>): Caller => {
    const demands = METHODS[`${route.method} ${route.path}`] ?? [];
    if (route.path.startsWith(OWN)) return NOBODY;
    const { authorization } = call.headers;
    // The method asks for no permission; a caller without a token may use it, and nothing else.
    if (authorization === undefined && demands.length === 0) return NOBODY;
    const caller = this.callerOf(authorization);
    for (const { permissions, on } of demands) {
      const resource = on(call.params, this.#project());
      for (const permission of permissions) caller.require(permission, resource);
    }
    return caller;
  };

  /** The answer to a call whose caller lacks what its method asks for first. */
  denial(
    route: Pick<Route, 'method' | 'path'>,
    { params, caller }: Pick<Call, 'params' | 'caller'>,
  ): GoogleError {
    const [first] = METHODS[`${route.method} ${route.path}`] ?? [];
    const [permission = ''] = first?.permissions ?? [];
    return new GoogleError(
      'PERMISSION_DENIED',
      first?.on(params, this.#project()).denied(permission, caller.member) ??
        'The caller does not have permission',
    );
  }

  /** @throws Error for a route of Google's without an entry in METHODS: none may pass unasked */
  covers(routes: readonly Pick<Route, 'method' | 'path'>[]): void {
    const missing = routes
      .map(({ method, path }) => `${method} ${path}`)
      .filter((name) => !(name in METHODS) && !name.includes(` ${OWN}`));
    if (missing.length > 0) throw new Error(`sandbox/iam/methods.ts has no entry for ${missing.join(', ')}`);
  }
}

/** A caller without a token, who may do nothing that asks for a permission. */
const NOBODY: Caller = {
  member: 'allUsers',
  may: () => false,
  require(_permission, _resource) {
    throw new GoogleError('UNAUTHENTICATED', NO_TOKEN);
  },
  as: () => NOBODY,
};
