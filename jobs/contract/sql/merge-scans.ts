import type { Deployment } from '../deployment.ts';
import { rangeQueries } from './partition-ranges.ts';
import { everywhere } from './partitions.ts';
import { sourceChanges } from './source-changes.ts';
import { type ParamType, type Statement, statement } from './statement.ts';

/** What stands for the script's variables where a statement of it is on its own. */
const VARIABLES = {
  reseal_time: { type: 'INT64', value: 'TIMESTAMP_MILLIS(@reseal_time)' },
  reseal_attempt: { type: 'STRING', value: '@reseal_attempt' },
  reseal_keyset: { type: 'BYTES', value: '@reseal_keyset' },
} as const satisfies Record<string, { type: ParamType; value: string }>;
type Variable = keyof typeof VARIABLES;

/**
 * The same statements, each on its own: for dry runs, which do not add up a script's. Each reads the columns that it
 * names and, as it changes rows, is billed for the whole source table beside them. Which partitions a merge will change
 * nobody knows before the rows are staged, so that all of them count: with `partitionColumn` it is an upper bound.
 * The queries that look those partitions up are among them.
 * https://cloud.google.com/bigquery/docs/estimate-costs#dml_statement_size_calculation
 *
 * @example
 * for (const scan of mergeScans(deployment)) await bigquery.bytes(scan, values); // by dry run
 */
export const mergeScans = (d: Deployment): Statement<Variable | 'run_id'>[] =>
  [
    ...rangeQueries(d).map((query) => `SELECT ${query}`),
    ...sourceChanges(d, everywhere(d)).flatMap(({ sql, query }) =>
      query === undefined ? [sql] : [sql, query],
    ),
  ].map((sql, at) => {
    const used: Partial<Record<Variable | 'run_id', ParamType>> = sql.includes('@run_id')
      ? { run_id: 'STRING' }
      : {};
    const alone = sql.replace(/\breseal_(?:time|attempt|keyset)\b/g, (name) => {
      const { type, value } = VARIABLES[name as Variable];
      used[name as Variable] = type;
      return value;
    });
    return statement(`merge_${at + 1}`, used as Record<Variable | 'run_id', ParamType>, alone);
  });
