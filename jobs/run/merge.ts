import { ResealError } from '../contract/errors.ts';
import type { LedgerRow } from '../contract/ledger.ts';
import { STAGED_DIFFER } from '../contract/sql/index.ts';
import type { HeldContext, Plan } from './context.ts';
import { takenOver } from './lease.ts';
import { readRun } from './recorded-run.ts';

/**
 * Merges the verified run into the source table, in one transaction. What became of it is in the ledger.
 *
 * @throws ResealError `merge-count` where staged rows have gone since they were verified, `run-taken-over` where
 * somebody else drives the run, `merge-state` where it is no longer one that may be merged
 */
export async function merge(context: HeldContext, plan: Plan): Promise<LedgerRow> {
  const { bigquery, sql, owner } = context;
  await bigquery.query(sql.merge, { run_id: plan.runId, owner }).catch((error: unknown) => {
    if (!(error instanceof Error && error.message.includes(STAGED_DIFFER))) throw error;
    throw new ResealError('merge-count', `run ${plan.runId}: ${STAGED_DIFFER}`, {
      hint: 'staged rows expire after 7 days; the source table is untouched. --resume the run, which stages its values anew',
    });
  });
  const run = await readRun(context, plan.runId);
  if (run?.state === 'succeeded') return run;
  if (run !== null && run.owner !== null && run.owner !== owner) throw takenOver(plan.runId, run.owner);
  throw new ResealError(
    'merge-state',
    `run ${plan.runId} is ${run?.state ?? 'not in the ledger'}: nothing was merged`,
    { hint: 'someone else ended this run; start a new one' },
  );
}
