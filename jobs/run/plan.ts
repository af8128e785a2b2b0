import { ResealError } from '../contract/errors.ts';
import { NO_CUTOFF } from '../contract/sql/index.ts';
import type { EngineChoice, Plan, RunContext, RunOptions } from './context.ts';
import { newestKeyset } from './keyset.ts';

/** Fixes what the run takes: the moment, the ids, the engine. Changes nothing. */
export async function plan(context: RunContext, options: RunOptions): Promise<Plan> {
  const { bigquery, sql, deployment } = context;
  await checkKeying(context, options);
  const [clock] = await bigquery.query(sql.clock, {});
  const snapshotMillis = String(clock?.snapshot_millis);
  const everything = { mode: options.mode, snapshot_millis: snapshotMillis, id_cutoff: NO_CUTOFF };
  const limit = options.limit ?? deployment.readLimitRows;
  let idCutoff = NO_CUTOFF;
  if (limit !== null) {
    const [row] = await bigquery.query(sql.cutoff, { ...everything, row_limit: limit });
    idCutoff = row?.id_cutoff ?? NO_CUTOFF;
  }
  const [counts] = await bigquery.query(sql.count, { ...everything, id_cutoff: idCutoff });
  const selected = Number(counts?.selected);
  return {
    runId: options.runId,
    mode: options.mode,
    engine: chooseEngine(context, options.engine, selected),
    snapshotMillis,
    idCutoff,
    limit,
    selected,
    distinctDeks: Number(counts?.distinct_deks),
    keyset: await newestKeyset(context),
  };
}

/** One statement reads all rows, so rows of both keyings must not stand side by side. */
async function checkKeying(
  { bigquery, sql, deployment }: RunContext,
  { mode, limit }: RunOptions,
): Promise<void> {
  const [last] = await bigquery.query(sql.lastKeying, {});
  if (last === undefined || last.keying === deployment.keying || (mode === 'all' && limit === null)) return;
  throw new ResealError(
    'keying-changed',
    `the rows were sealed with ${last.keying} keying; the stack now says ${deployment.keying}`,
    {
      hint: 'seal every row anew with --mode all, or set reseal:keying back',
    },
  );
}

function chooseEngine({ deployment }: RunContext, choice: EngineChoice, selected: number): Plan['engine'] {
  const allowed = deployment.engines;
  const jar = deployment.batch.jarFile !== null;
  if (choice === 'auto') {
    const small = selected <= deployment.directMaxRows || !allowed.includes('dataproc');
    return small && allowed.includes('direct') && !jar ? 'direct' : 'dataproc';
  }
  if (choice === 'direct' && jar)
    throw new ResealError('engine-jar', "the direct engine cannot run the stack's own jar", {
      hint: 'leave --engine out, or remove reseal:jarFile and reseal:mainClass',
    });
  if (allowed.includes(choice)) return choice;
  throw new ResealError('engine-not-allowed', `this stack allows no ${choice} engine`, {
    hint: `use --engine ${allowed.join(' or ')}, or add ${choice} to reseal:engines`,
  });
}
