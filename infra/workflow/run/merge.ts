import type { Statements } from '../../../jobs/contract/sql/index.ts';
import { runRow } from '../run-row.ts';
import { choose, expression, query, raise, type Step } from '../steps.ts';
import { OWN } from './values.ts';

/** Merges the wave at hand, and goes on with the next one or returns the run's row. */
export const merge = (sql: Statements): Step[] => [
  { renew_before_merge: query(sql.renewLease, OWN) },
  { merge_rows: query(sql.merge, OWN) },
  { read_result: runRow },
  {
    is_merged: choose({
      'row.state == "succeeded"': 'return_result',
      'int(default(map.get(row, "waves_merged"), "0")) > wave': 'number_wave',
      'default(map.get(row, "owner"), owner) == owner': 'fail_not_merged',
    }),
  },
  { fail_taken_over: raise('run-taken-over', '"run " + run_id + " is driven by " + row.owner + " now"') },
  { fail_not_merged: raise('merge-state', '"run " + run_id + " is " + row.state + ": nothing was merged"') },
  { return_result: { return: expression('row') } },
];
