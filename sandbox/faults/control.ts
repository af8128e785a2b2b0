import { ResealError } from '../../jobs/contract/errors.ts';
import { GoogleError } from '../errors/google-error.ts';
import { type Route, readJson } from '../http/router.ts';
import type { Faults } from './plane.ts';
import { parseRules, type Rule } from './rules.ts';

/** The rules at work and what has come of each; others in their place. docs/sandbox.md */
export const faultRoutes = (faults: Faults): Route[] => [
  { method: 'GET', path: '/sandbox/v1/faults', handle: () => ({ rules: faults.states() }) },
  {
    method: 'POST',
    path: '/sandbox/v1/faults',
    handle: async (call) => {
      faults.set(rulesOf(await readJson(call)));
      return { rules: faults.states() };
    },
  },
];

function rulesOf(body: unknown): Rule[] {
  try {
    return parseRules(body);
  } catch (error) {
    if (!(error instanceof ResealError)) throw error;
    throw new GoogleError('INVALID_ARGUMENT', `${error.code}: ${error.message}`);
  }
}
