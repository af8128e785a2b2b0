import { ResealError } from '../contract/errors.ts';
import { REASON_NOTES, type Reason } from '../contract/reasons.ts';
import { FEW_REJECTED } from '../contract/verdict.ts';
import type { StageOutcome } from '../engines/engine.ts';
import { isAboutValues } from '../google/failures.ts';
import type { Allowed, HeldContext, RunContext } from './context.ts';
import { chainValues, keysetMissing } from './keyset.ts';
import { untouched, type Wave } from './waves.ts';

export interface Verified {
  readonly staged: number;
  readonly rejected: number;
  /** Of those staged, values without a tag. */
  readonly unauthenticated: number;
  /** Staged values that BigQuery opened; null for a jar's, whose keys only its owner knows. */
  readonly opened: number | null;
}

/**
 * Compares the staging table with the plan of a wave before anything touches the source table: every selected value is
 * sealed or rejected, no more are rejected than may be, and BigQuery itself opens what was sealed.
 */
export async function verify(
  context: HeldContext,
  wave: Wave,
  outcome: StageOutcome,
  allowed: Allowed,
): Promise<Verified> {
  const { bigquery, sql, deployment } = context;
  const staging = { run_id: wave.runId, attempt: outcome.attempt };
  // A jar chooses its rows by itself; compare-and-set sees to it that none is merged into another's place.
  const jar = deployment.batch.jarFile !== null;
  if (jar) await bigquery.query(sql.adopt, staging);
  const [[counts]] = await Promise.all([
    bigquery.query(sql.stagedCounts, staging),
    // Now, and not only once all is well: what staging took is paid for in any case.
    bigquery.query(sql.markStaged, {
      ...staging,
      owner: context.owner,
      kms_calls: outcome.kmsCalls ?? '',
      batch_id: outcome.batchId ?? '',
      milli_dcu_seconds: outcome.milliDcuSeconds ?? '',
    }),
  ]);
  const [staged, rejected] = [Number(counts?.staged), Number(counts?.rejected)];
  const unauthenticated = Number(counts?.unauthenticated);
  if (!jar && staged + rejected !== wave.selected) {
    throw new ResealError(
      'verify-count',
      `${wave.selected} values were selected, but ${staged} are sealed and ${rejected} rejected`,
      { hint: `${untouched(wave)}; \`--resume RUN\` stages its values anew` },
    );
  }
  if (!allowed.rejected) await checkRejected(context, wave, outcome.attempt, Number(counts?.newly_rejected));
  const opened = jar ? null : await prove(context, wave, outcome.attempt);
  await bigquery.query(sql.markVerified, {
    run_id: wave.runId,
    owner: context.owner,
    staged,
    rejected,
    unauthenticated,
  });
  return { staged, rejected, unauthenticated, opened };
}

/**
 * Throws ResealError `rejected-share` for a run that rejects more of its values than the stack's setting allows.
 * Values that an earlier run rejected already do not count.
 */
async function checkRejected(
  { bigquery, sql, deployment }: RunContext,
  wave: Wave,
  attempt: string,
  rejected: number,
): Promise<void> {
  if (rejected <= FEW_REJECTED || rejected <= deployment.maxRejectedShare * wave.selected) return;
  const [first] = await bigquery.query(sql.stagedReasons, { run_id: wave.runId, attempt });
  const reason = first?.reason ?? '';
  throw new ResealError(
    'rejected-share',
    `${rejected} of ${wave.selected} values would be rejected, more than reseal:maxRejectedShare, ${deployment.maxRejectedShare}, allows; ${first?.n} of them because of ${reason}`,
    {
      hint: `${REASON_NOTES[reason as Reason]?.ask ?? 'docs/reasons.md says what each reason means.'} ${capital(untouched(wave))}; after mending a setting start a new run, or \`--resume RUN --accept-rejected\` merges the rest all the same`,
    },
  );
}

async function prove({ bigquery, sql }: RunContext, wave: Wave, attempt: string): Promise<number> {
  const { keyset } = wave;
  if (keyset === null) throw keysetMissing(wave.runId);
  let proof: { checked?: string | null; wrong?: string | null } = {};
  try {
    [proof = {}] = await bigquery.query(sql.proveStaged, {
      run_id: wave.runId,
      attempt,
      ...chainValues(keyset),
    });
  } catch (error) {
    // A missing role or network, a limit or a cancelled job says nothing about the values.
    if (!isAboutValues(error)) throw error;
    throw new ResealError('verify-open', 'BigQuery cannot open the staged values', {
      hint: `${untouched(wave)}; see the cause below`,
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

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
