import { ResealError } from '../contract/errors.ts';
import type { LedgerRow } from '../contract/ledger.ts';
import type { Plan, RunContext } from './context.ts';
import { readRun } from './ledger.ts';

/** Merges the verified run into the source table, in one transaction. What became of it is in the ledger. */
export async function merge(context: RunContext, plan: Plan): Promise<LedgerRow> {
  await context.bigquery.query(context.sql.merge, { run_id: plan.runId });
  const run = await readRun(context, plan.runId);
  if (run?.state === 'succeeded') return run;
  throw new ResealError(
    'merge-state',
    `run ${plan.runId} is ${run?.state ?? 'not in the ledger'}: nothing was merged`,
    {
      hint: 'someone else ended this run; start a new one',
    },
  );
}
