import { isDeepStrictEqual } from 'node:util';
import type { Row } from '../../jobs/google/bigquery.ts';
import { filesOf, leakingFiles } from '../support/canaries.ts';
import type { Outcome, Truth } from './truth.ts';
import type { World } from './world.ts';

/** What is wrong right after trouble: the source table is as it was, or merged as far as the ledger says. */
export async function notWhole(after: Truth, runId: string, before: Row[]): Promise<string[]> {
  const untouched = isDeepStrictEqual(await after.users(), before);
  const merged = await after.hasMerged(runId);
  if (untouched !== merged) return [];
  return [
    merged ? 'the ledger has a merge that users has not' : 'users is merged, and the ledger is not told',
  ];
}

/** Where a run that went on has left anything else than one that nothing befell. */
export function differences(found: Outcome, expected: Outcome, runId: string): string[] {
  const names = Object.keys(expected) as (keyof Outcome)[];
  const text = (rows: Row[]): string =>
    JSON.stringify(rows).replaceAll(/"run_id":"[^"]+"/g, '"run_id":"RUN"');
  return names
    .filter((name) => text(found[name]) !== text(expected[name]))
    .map((name) => `run ${runId}: ${name} is ${text(found[name])}, and not ${text(expected[name])}`);
}

/** Which files of a sandbox hold a secret once runs have gone through it. */
export const leaked = ({ secrets }: World, state: string): string[] =>
  leakingFiles(filesOf(state), secrets).map((path) => `${path} holds a secret`);
