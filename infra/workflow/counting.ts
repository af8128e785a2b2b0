import type { Deployment } from '../../jobs/contract/deployment.ts';
import { statements } from '../../jobs/contract/sql/index.ts';
import { call, expression, query, type Subworkflow } from './steps.ts';

/** What the values that a statement selects are chosen by, each with the expression that gives it. */
export interface Selection {
  readonly mode: string;
  readonly snapshot_millis: string;
  readonly id_from: string;
  readonly id_cutoff: string;
  readonly keyset_version: string;
  readonly wave: string;
  readonly waves: string;
}

/** Counts selected values, for the plan and for each wave: the definition is to hold the long statement once. */
export function countingSubworkflow(d: Deployment): Subworkflow {
  const { count } = statements(d);
  const own = Object.fromEntries(Object.keys(count.params).map((name) => [name, name]));
  return {
    params: Object.keys(count.params),
    steps: [
      { count_values: query(count, own as unknown as Readonly<Record<keyof Selection, string>>, 'counted') },
      { return_counts: { return: expression('counted') } },
    ],
  };
}

/** The call of it. */
export const counted = (selection: Selection) =>
  call(
    'counting',
    Object.fromEntries(Object.entries(selection).map(([name, text]) => [name, expression(text)])),
    'counted',
  );
