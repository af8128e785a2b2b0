import { batchVcpus } from '../contract/batch.ts';
import { ResealError } from '../contract/errors.ts';
import { PRICES_AS_OF } from '../contract/prices.ts';
import type { EngineName } from '../contract/settings/choices.ts';
import { selectionOf } from '../contract/sql/index.ts';
import { type Outcome, outcomesOf, reasonsOf, sampledValues } from '../doctor/sampled-values.ts';
import type { Endpoints } from '../google/clients.ts';
import { withoutIdWords } from '../google/rows-without-id.ts';
import type { Plan, RunContext, RunOptions } from '../run/context.ts';
import type { Estimate } from '../run/cost.ts';
import { forecasts } from '../run/forecast.ts';
import { plan } from '../run/plan.ts';
import { table } from './table.ts';
import { usd } from './words.ts';

/** How many values `--plan` tries, a Decrypt call each. */
const SAMPLE = 100;

/** `--plan`: what a run would do, and nothing more. */
export async function showPlan(
  context: RunContext,
  options: RunOptions,
  json: boolean,
  endpoints?: Endpoints,
): Promise<void> {
  const planned = await plan(context, options);
  const [sample, engines] = await Promise.all([
    tried(context, planned, endpoints),
    forecasts(context, planned),
  ]);
  const expected = engines.get(planned.engine) as Estimate;
  const vcpus = planned.engine === 'dataproc' ? batchVcpus(context.deployment.batch.maxExecutors) : null;
  if (json) process.stdout.write(`${JSON.stringify(planJson(planned, expected, vcpus, sample, engines))}\n`);
  else process.stdout.write(planLines(planned, expected, vcpus, sample, engines));
}

/** What became of a few of the values; null where none could be tried, for instance by who may not use the key. */
async function tried(context: RunContext, planned: Plan, endpoints?: Endpoints): Promise<Outcome[] | null> {
  if (planned.selected === 0 || context.deployment.batch.jarFile !== null) return null;
  const selection = { ...selectionOf(planned), row_limit: SAMPLE };
  try {
    return await outcomesOf(context, await sampledValues(context, selection), endpoints);
  } catch (error) {
    if (error instanceof ResealError) return null;
    throw error;
  }
}

type Engines = ReadonlyMap<EngineName, Estimate>;
type Vcpus = ReturnType<typeof batchVcpus> | null;

const planJson = (
  planned: Plan,
  expected: Estimate,
  vcpus: Vcpus,
  sample: Outcome[] | null,
  engines: Engines,
): object => ({
  engine: planned.engine,
  mode: planned.mode,
  selected: planned.selected,
  distinct_deks: planned.distinctDeks,
  waves: planned.waves,
  unauthenticated: planned.unauthenticated,
  rewrappable: planned.rewrappable,
  id_cutoff: planned.idCutoff,
  streaming_buffer_rows: planned.streamedRows,
  rows_without_id: planned.rowsWithoutId,
  ...(planned.wholePartitions === null ? {} : { partitions: planned.wholePartitions }),
  expected_kms_calls: expected.kmsCalls,
  expected_minutes: expected.minutes,
  expected_bigquery_bytes: expected.bigQueryBytes,
  expected_bigquery_usd: expected.bigQueryUsd,
  expected_cost_usd: expected.costUsd,
  prices_as_of: PRICES_AS_OF,
  ...(vcpus === null ? {} : { batch_vcpus: vcpus }),
  sample:
    sample === null
      ? null
      : { tried: sample.length, open: opened(sample), rejected: Object.fromEntries(reasonsOf(sample)) },
  engines: Object.fromEntries(
    [...engines].map(([name, one]) => [
      name,
      {
        minutes: one.minutes,
        cost_usd: one.costUsd,
        kms_usd: one.kmsUsd,
        dataproc_usd: one.dataprocUsd,
        bigquery_usd: one.bigQueryUsd,
      },
    ]),
  ),
});

const opened = (sample: readonly Outcome[]): number => sample.filter((one) => one === 'opened').length;

/** What becomes of the values as far as those that were tried tell, in numbers of the whole. */
function likely(planned: Plan, sample: readonly Outcome[] | null): [string, number][] {
  if (sample === null || sample.length === 0) return [];
  const share = (count: number): number => Math.round((count / sample.length) * planned.selected);
  return [
    ['  likely sealed', share(opened(sample))],
    ...reasonsOf(sample).map(([reason, n]): [string, number] => [`  likely ${reason}`, share(n)]),
  ];
}

/** Time and cost of each engine side by side, a line each; the chosen one has a mark. Nothing for a single engine. */
export const enginesTable = (engines: Engines, chosen?: EngineName): string =>
  engines.size < 2
    ? ''
    : `\n${table([
        ['', 'time', 'KMS', 'Dataproc', 'BigQuery', 'together'],
        ...[...engines].map(([name, one]) => [
          name === chosen ? `* ${name}` : `  ${name}`,
          minutes(one.minutes),
          usd(one.kmsUsd),
          usd(one.dataprocUsd),
          usd(one.bigQueryUsd),
          usd(one.costUsd),
        ]),
      ])}\n`;

const minutes = (count: number): string => {
  if (count < 1) return `${Math.ceil(count * 60)} s`;
  return count < 120 ? `${Math.ceil(count)} min` : `${(count / 60).toFixed(1)} h`;
};

/** Bytes in the binary units of BigQuery's prices. */
const size = (bytes: number): string => {
  const power = bytes < 1 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${'KMGT'[power - 1]}iB`;
};

/** What `--plan` prints for people. */
export function planLines(
  planned: Plan,
  expected: Estimate,
  vcpus: Vcpus,
  sample: readonly Outcome[] | null = null,
  engines: Engines = new Map(),
): string {
  const rows = table([
    ['values to re-encrypt', planned.selected],
    ...likely(planned, sample),
    ...(planned.unauthenticated > 0 ? [['  without a tag', planned.unauthenticated]] : []),
    ...(planned.rewrappable > 0 ? [['row keysets to seal anew', planned.rewrappable]] : []),
    ...(planned.erasable > 0 ? [['values to erase', planned.erasable]] : []),
    ['distinct data keys', planned.distinctDeks],
    ...(planned.waves > 1 ? [['waves', planned.waves]] : []),
    ['engine', planned.engine],
    ['expected KMS calls', expected.kmsCalls],
    ['expected time', minutes(expected.minutes)],
    ['BigQuery reads', size(expected.bigQueryBytes)],
    ['  on demand', usd(expected.bigQueryUsd)],
    ['expected cost', usd(expected.costUsd)],
  ]);
  const notes = [
    ...(sample === null || sample.length === 0
      ? []
      : [`likely: as of ${sample.length} values that were opened and forgotten`]),
    ...(planned.streamedRows === 0
      ? []
      : [
          `some ${planned.streamedRows} rows in the streaming buffer of insertAll are left for a later run: DML cannot change them yet`,
        ]),
    ...(planned.rowsWithoutId === 0 ? [] : [withoutIdWords(planned.rowsWithoutId)]),
    ...(planned.wholePartitions === null ? [] : [planned.wholePartitions]),
    ...(vcpus === null ? [] : [vcpuNote(vcpus)]),
    `list prices of ${PRICES_AS_OF}; docs/performance.md says what they leave out`,
  ];
  return rows + enginesTable(engines, planned.engine) + notes.map((note) => `${note}\n`).join('');
}

const vcpuNote = ({ start, most }: NonNullable<Vcpus>): string =>
  `the batch takes ${start} vCPUs at the start, up to ${most}: the quota CPUS of the region has to have them`;
