import { ResealError } from '../contract/errors.ts';
import type { StageOutcome } from '../engines/engine.ts';
import type { Plan, RunContext } from './context.ts';

export interface Verified {
  readonly staged: number;
  readonly rejected: number;
  /** Staged values that BigQuery opened; null for a jar's, whose keys only its owner knows. */
  readonly opened: number | null;
}

/**
 * Holds the staging table against the plan before anything touches the source table: every selected value
 * is sealed or rejected, and BigQuery itself opens what was sealed.
 */
export async function verify(context: RunContext, plan: Plan, outcome: StageOutcome): Promise<Verified> {
  const { bigquery, sql, deployment } = context;
  const run = { run_id: plan.runId };
  // A jar chooses its rows by itself; compare-and-set sees to it that none is merged into another's place.
  const jar = deployment.batch.jarFile !== null;
  if (jar) await bigquery.query(sql.adopt, run);
  const [counts] = await bigquery.query(sql.stagedCounts, run);
  const [staged, rejected] = [Number(counts?.staged), Number(counts?.rejected)];
  if (!jar && staged + rejected !== plan.selected) {
    throw new ResealError(
      'verify-count',
      `${plan.selected} values were selected, but ${staged} are sealed and ${rejected} rejected`,
      { hint: 'the source table is untouched; --resume the run, and report this if it happens again' },
    );
  }
  const opened = jar ? null : await prove(context, plan);
  await bigquery.query(sql.markVerified, {
    ...run,
    staged,
    rejected,
    kms_calls: outcome.kmsCalls ?? '',
    batch_id: outcome.batchId ?? '',
    milli_dcu_seconds: outcome.milliDcuSeconds ?? '',
  });
  return { staged, rejected, opened };
}

async function prove({ bigquery, sql }: RunContext, plan: Plan): Promise<number> {
  const keyset = plan.keyset?.wrapped.toString('base64') ?? null;
  let proof: { checked?: string | null; wrong?: string | null } = {};
  try {
    [proof = {}] = await bigquery.query(sql.proveStaged, { run_id: plan.runId, keyset });
  } catch (error) {
    // A missing role or network says nothing about the values.
    if (error instanceof ResealError && error.code !== 'bigquery') throw error;
    throw new ResealError('verify-open', 'BigQuery cannot open the staged values', {
      hint: 'the source table is untouched; see the cause below',
      cause: error,
    });
  }
  if (Number(proof.wrong) > 0)
    throw new ResealError(
      'verify-open',
      `${proof.wrong} of ${proof.checked} staged values open to something else`,
    );
  return Number(proof.checked);
}
