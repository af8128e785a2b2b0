import { batchVcpus } from '../contract/batch.ts';
import type { Plan, RunContext, RunOptions } from '../run/context.ts';
import { type Estimate, estimate } from '../run/cost.ts';
import { plan } from '../run/plan.ts';
import { table } from './table.ts';
import { usd } from './words.ts';

/** `--plan`: what a run would do, and nothing more. */
export async function showPlan(context: RunContext, options: RunOptions, json: boolean): Promise<void> {
  const planned = await plan(context, options);
  const { maxExecutors, kmsCallsPerSecond } = context.deployment.batch;
  const expected = estimate({ ...planned, maxExecutors, kmsCallsPerSecond });
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
  id_cutoff: planned.idCutoff,
  expected_kms_calls: expected.kmsCalls,
  expected_minutes: expected.minutes,
  expected_cost_usd: expected.costUsd,
  ...(vcpus === null ? {} : { batch_vcpus: vcpus }),
});

const minutes = (count: number): string =>
  count < 1 ? `${Math.ceil(count * 60)} s` : `${Math.ceil(count)} min`;

function planLines(planned: Plan, expected: Estimate, vcpus: Vcpus): string {
  const rows = table([
    ['values to re-encrypt', planned.selected],
    ...(planned.erasable > 0 ? [['values to erase', planned.erasable]] : []),
    ['distinct data keys', planned.distinctDeks],
    ['engine', planned.engine],
    ['expected KMS calls', expected.kmsCalls],
    ['expected time', minutes(expected.minutes)],
    ['expected cost', usd(expected.costUsd)],
  ]);
  const notes = vcpus === null ? [] : [vcpuNote(vcpus)];
  return rows + notes.map((note) => `${note}\n`).join('');
}

const vcpuNote = ({ start, most }: NonNullable<Vcpus>): string =>
  `the batch takes ${start} vCPUs at the start, up to ${most}: the quota CPUS of the region has to have them`;
