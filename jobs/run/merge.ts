import { ResealError } from '../contract/errors.ts';
import type { LedgerRow } from '../contract/ledger.ts';
import { KEYSET_GONE, STAGED_DIFFER } from '../contract/sql/index.ts';
import type { HeldContext } from './context.ts';
import { keysetMissing } from './keyset.ts';
import { takenOver } from './lease.ts';
import { readRun } from './recorded-run.ts';
import { untouched, type Wave } from './waves.ts';

/**
 * Merges a verified wave into the source table, in one transaction. What became of the run is in the ledger.
 *
 * @throws ResealError `merge-count` where staged rows have gone since they were verified, `keyset-missing` where the
 * keyset of shared or deterministic keying has, `run-taken-over` where somebody else drives the run, `merge-state` where
 * it is no longer one that may be merged
 */
export async function merge(context: HeldContext, wave: Wave): Promise<LedgerRow> {
  const { bigquery, sql, owner } = context;
  await bigquery.query(sql.merge, { run_id: wave.runId, owner }).catch((error: unknown) => {
    const said = error instanceof Error ? error.message : '';
    if (said.includes(KEYSET_GONE)) throw keysetMissing(wave.runId);
    if (!said.includes(STAGED_DIFFER)) throw error;
    throw new ResealError('merge-count', `run ${wave.runId}: ${STAGED_DIFFER}`, {
      hint: `staged rows expire after 7 days; ${untouched(wave)}. \`--resume RUN\` stages its values anew; one that is older than 7 days cannot be staged any more: \`npm run reseal -- abandon ${wave.runId}\` and start a new one`,
    });
  });
  const run = await readRun(context, wave.runId);
  if (run !== null && (run.waves_merged ?? 0) > wave.wave) return run;
  if (run !== null && run.owner !== null && run.owner !== owner) throw takenOver(wave.runId, run.owner);
  throw new ResealError(
    'merge-state',
    `run ${wave.runId} is ${run?.state ?? 'not in the ledger'}: nothing was merged`,
    {
      hint:
        run === null || run.state === 'abandoned'
          ? 'somebody else ended it; start a new run, which takes its values'
          : 'somebody else ended it; `--resume RUN` goes on',
    },
  );
}
