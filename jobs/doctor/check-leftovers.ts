import { ledgerRow } from '../contract/ledger.ts';
import { ALL_TIME } from '../contract/sql/index.ts';
import type { RunContext } from '../run/context.ts';
import { type Finding, ok, wrong } from './finding.ts';

/** Runs that are looked at: what is older has lost its staged rows, which expire after a week. */
const NEWEST = 100;

/** Staged rows whose run has not ended well, and rows that a jar left without a run. */
export async function checkLeftovers({ bigquery, sql }: RunContext): Promise<Finding[]> {
  const check = 'staging table';
  const rows = await bigquery.query(sql.stagedRuns, {});
  if (rows.length === 0) return [ok(check, 'empty')];
  const history = (await bigquery.query(sql.history, { before_millis: ALL_TIME, row_limit: NEWEST })).map(
    ledgerRow,
  );
  return rows.map(({ run_id: runId, n }) => {
    const run = history.find((one) => one.run_id === runId);
    if (runId === null || runId === undefined)
      return wrong(
        'warning',
        check,
        `${n} rows of no run, left by a jar`,
        'the next run of the jar takes them over',
      );
    if (run === undefined)
      return wrong(
        'warning',
        check,
        `${n} rows of run ${runId}, which the ledger does not know`,
        'they expire within a week',
      );
    return wrong(
      'warning',
      check,
      `${n} rows of run ${runId}, which is ${run.state}`,
      `\`--resume ${runId}\` goes on with it, \`npm run reseal -- abandon ${runId}\` ends it; otherwise they expire within a week`,
    );
  });
}
