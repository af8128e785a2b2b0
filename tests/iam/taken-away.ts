import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Binding } from '../../sandbox/iam/policy.ts';
import { holds } from '../../sandbox/iam/roles.ts';
import type { TestSandbox } from '../support/sandbox.ts';

/** A denial as the sandbox noted it. */
interface Denied {
  readonly member: string;
  readonly permission: string;
  readonly resource: string;
}
interface Outcome {
  readonly error: unknown;
  readonly denied: readonly Denied[];
}

export async function bindingsOf(box: TestSandbox, member: string): Promise<Binding[]> {
  const { bindings } = (await box.control('iam:bindings')) as unknown as { bindings: Binding[] };
  return bindings.filter((binding) => binding.member === member);
}

/** The account that a resource of the program's acts as. */
export function accountOf({ state }: TestSandbox, type: string): string {
  const inventory = JSON.parse(readFileSync(join(state, 'inventory.json'), 'utf8')) as {
    type: string;
    inputs: { serviceAccount?: string; httpTarget?: { oauthToken: { serviceAccountEmail: string } } };
  }[];
  const inputs = inventory.find((one) => one.type === type)?.inputs;
  const account = inputs?.serviceAccount ?? inputs?.httpTarget?.oauthToken.serviceAccountEmail;
  if (account === undefined) throw new Error(`the program has no account for ${type}`);
  return account;
}

/**
 * Does something without a binding, which is there again afterwards: what it failed with, and what the sandbox
 * denied meanwhile. `error` is undefined where nothing went wrong.
 */
export async function without(
  box: TestSandbox,
  binding: Binding,
  act: () => Promise<unknown>,
): Promise<Outcome> {
  await box.control('iam:forget', {});
  expect(await box.control('iam:unbind', binding)).toEqual({ removed: true });
  try {
    const error = await act().then(
      () => undefined,
      (caught: unknown) => caught,
    );
    const { denied } = (await box.control('iam:denied')) as unknown as { denied: Denied[] };
    return { error, denied };
  } finally {
    await box.control('iam:bind', binding);
  }
}

/** How messages name a resource: a table with its dataset, anything else by its last part. */
function shown(resource: string): string {
  const [, , , dataset, , table] = resource.split('/');
  return resource.includes('/datasets/') && table !== undefined
    ? `${dataset}.${table}`
    : (resource.split('/').at(-1) ?? '');
}

/** Holds a failure against the binding that was missing: who was denied what, and what the error tells to do. */
export function judge(
  { member, role, resource }: Binding,
  { error, denied }: Outcome,
  account: RegExp,
): void {
  const title = `${role} on ${resource}`;
  expect(error, title).toBeDefined();
  const [first] = denied;
  expect(first, title).toBeDefined();
  if (first === undefined) return;
  if (!member.startsWith('group:')) expect(first.member, title).toBe(member);
  expect(first.resource === resource || first.resource.startsWith(`${resource}/`), title).toBe(true);
  expect(holds(role, first.permission), `${title} holds ${first.permission}`).toBe(true);
  const { message = '', hint = '' } = error as { message?: string; hint?: string };
  expect(`${message} ${hint}`, title).toContain(shown(resource));
  expect(hint, title).toMatch(account);
  const told = /grant (roles\/[\w.]+)/.exec(hint)?.[1] ?? '';
  expect(holds(told, first.permission), `${title}: ${hint}`).toBe(true);
}
