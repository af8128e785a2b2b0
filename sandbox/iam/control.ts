import { type Json, type Route, readJson, required } from '../http/router.ts';
import type { Iam } from './iam.ts';
import type { Binding } from './policy.ts';

const bindingOf = (body: Json): Binding => ({
  member: required(body.member, 'member'),
  role: required(body.role, 'role'),
  resource: required(body.resource, 'resource'),
});

/** Bindings to look at, to take away and to give back, and tokens of any principal. docs/sandbox.md */
export const iamControlRoutes = (iam: Iam): Route[] => [
  {
    method: 'GET',
    path: '/sandbox/v1/iam:bindings',
    handle: () => ({ bindings: [...iam.policy.bindings] }),
  },
  {
    method: 'POST',
    path: '/sandbox/v1/iam:bind',
    handle: async (call) => {
      iam.policy.add(bindingOf(await readJson(call)));
      return {};
    },
  },
  {
    method: 'POST',
    path: '/sandbox/v1/iam:unbind',
    handle: async (call) => ({ removed: iam.policy.remove(bindingOf(await readJson(call))) }),
  },
  { method: 'GET', path: '/sandbox/v1/iam:denied', handle: () => ({ denied: [...iam.denied] }) },
  {
    method: 'POST',
    path: '/sandbox/v1/iam:forget',
    handle: () => {
      iam.denied.length = 0;
      return {};
    },
  },
  {
    method: 'POST',
    path: '/sandbox/v1/iam:token',
    handle: async (call) => {
      const { member, groups } = await readJson(call);
      const names = Array.isArray(groups) ? groups.map(String) : [];
      return { accessToken: iam.token(required(member, 'member'), names) };
    },
  },
];
