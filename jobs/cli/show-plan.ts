import { batchVcpus } from '../contract/batch.ts';
import { PRICES_AS_OF } from '../contract/prices.ts';
import type { Plan, RunContext, RunOptions } from '../run/context.ts';
import { type Estimate, estimate } from '../run/cost.ts';
import { plan } from '../run/plan.ts';
import { scanned } from '../run/scanned.ts';
import { table } from './table.ts';
import { usd } from './words.ts';

/** `--plan`: what a run would do, and nothing more. */
export async function showPlan(context: RunContext, options: RunOptions, json: boolean): Promise<void> {
  const planned = await plan(context, options);
  const { maxExecutors, kmsCallsPerSecond } = context.deployment.batch;
  const work = { ...planned, maxExecutors, kmsCallsPerSecond };
  const expected = estimate(work, await scanned(context, planned));
  const vcpus = planned.engine === 'dataproc' ? batchVcpus(maxExecutors) : null;
  if (json) process.stdout.write(`${JSON.stringify(planJson(planned, expected, vcpus))}\n`);
  else process.stdout.write(planLines(planned, expected, vcpus));
}

type Vcpus = ReturnType<typeof batchVcpus> | null;

const planJson = (planned: Plan, expected: Estimate, vcpus: Vcpus): object => ({
  engine: planned.engine,
  mode: planned.mode,
  selected: planned.selected,
  distinct_deks: planned.distinctDeks,
  waves: planned.waves,
  unauthenticated: planned.unauthenticated,
  rewrappable: planned.rewrappable,
  id_cutoff: planned.idCutoff,
  streaming_buffer_rows: planned.streamedRows,
  ...(planned.wholePartitions === null ? {} : { partitions: planned.wholePartitions }),
  expected_kms_calls: expected.kmsCalls,
  expected_minutes: expected.minutes,
  expected_bigquery_bytes: expected.bigQueryBytes,
  expected_bigquery_usd: expected.bigQueryUsd,
  expected_cost_usd: expected.costUsd,
  prices_as_of: PRICES_AS_OF,
  ...(vcpus === null ? {} : { batch_vcpus: vcpus }),
});

const minutes = (count: number): string =>
  count < 1 ? `${Math.ceil(count * 60)} s` : `${Math.ceil(count)} min`;

/** Bytes in the binary units of BigQuery's prices. */
const size = (bytes: number): string => {
  const power = bytes < 1 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${'KMGT'[power - 1]}iB`;
};

/** What `--plan` prints for people. */
export function planLines(planned: Plan, expected: Estimate, vcpus: Vcpus): string {
  const rows = table([
    ['values to re-encrypt', planned.selected],
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
    ...(planned.streamedRows === 0
      ? []
      : [
          `some ${planned.streamedRows} rows in the streaming buffer of insertAll are left for a later run: DML cannot change them yet`,
        ]),
    ...(planned.wholePartitions === null ? [] : [planned.wholePartitions]),
    ...(vcpus === null ? [] : [vcpuNote(vcpus)]),
    `list prices of ${PRICES_AS_OF}; docs/performance.md says what they leave out`,
  ];
  return rows + notes.map((note) => `${note}\n`).join('');
}

const vcpuNote = ({ start, most }: NonNullable<Vcpus>): string =>
  `the batch takes ${start} vCPUs at the start, up to ${most}: the quota CPUS of the region has to have them`;
