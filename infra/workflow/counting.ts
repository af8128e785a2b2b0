import type { Deployment } from '../../jobs/contract/deployment.ts';
import { type Selection, statements } from '../../jobs/contract/sql/index.ts';
import { call, expression, query, type Subworkflow } from './steps.ts';

/** Counts selected values, for the plan and for each wave: the definition is to hold the long statement once. */
export function countingSubworkflow(d: Deployment): Subworkflow {
  const { count } = statements(d);
  const own = Object.fromEntries(Object.keys(count.params).map((name) => [name, name]));
  return {
    params: Object.keys(count.params),
    steps: [
      { count_values: query(count, own as Selection<string>, 'counted') },
      { return_counts: { return: expression('counted') } },
    ],
  };
}

/** The call of it, each parameter with the expression that gives it. */
export const counted = (selection: Selection<string>) =>
  call(
    'counting',
    Object.fromEntries(Object.entries(selection).map(([name, text]) => [name, expression(text)])),
    'counted',
  );
