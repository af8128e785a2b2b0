import { knownCode } from '../../contract/error-codes.ts';
import type { Report } from '../../run/report.ts';
import { aimed } from '../aim.ts';
import { withRun } from '../of-run.ts';
import type { Palette } from './palette.ts';

/** What the page's charts and tables are made of: figures of a report, without any HTML. */

/** A part of what became of the selected values. */
export interface Outcome {
  readonly name: string;
  readonly values: number;
  readonly colour: keyof Palette;
  readonly means: string;
}

/** What became of every selected value; the parts add up to what was selected. */
export function outcomes(report: Report): Outcome[] {
  const { state, selected, staged, rejected } = report;
  if (selected === null) return [];
  const part = (name: string, values: number | null, colour: keyof Palette, means: string): Outcome[] =>
    values ? [{ name, values, colour, means }] : [];
  if (state === 'succeeded')
    return [
      ...part('sealed', report.merged, 'sealed', 'sealed and written into the source table'),
      ...part('rejected', rejected, 'rejected', 'cannot be sealed; listed with a reason'),
      ...part(
        'changed meanwhile',
        report.changed_meanwhile,
        'changed',
        'left as they were; the next run takes them',
      ),
    ];
  if (report.waves_merged) {
    const merged = report.merged ?? 0;
    return [
      ...part('sealed', merged, 'sealed', 'sealed and written into the source table by the merged waves'),
      ...part('not merged', selected - merged, 'neutral', 'rejected, or of waves that are not merged'),
    ];
  }
  const waiting = state === 'verified' ? (staged ?? 0) : 0;
  const known = state === 'verified' ? (rejected ?? 0) : 0;
  return [
    ...part(
      'sealed, not merged',
      waiting,
      'sealed',
      'verified in the staging table; the source is untouched',
    ),
    ...part('rejected, not merged', known, 'rejected', 'cannot be sealed; the source is untouched'),
    ...part('not merged', selected - waiting - known, 'neutral', 'the source table is untouched'),
  ];
}

/** What a run did to values that it did not select. */
export function besideSelected({ rewrapped, erased }: Report): Outcome[] {
  const beside: Outcome[] = [
    {
      name: 'keyset sealed anew',
      values: rewrapped ?? 0,
      colour: 'neutral',
      means:
        'their row keysets stand under the newest version of the first-level keyset; the values are as they were',
    },
    {
      name: 'erased',
      values: erased ?? 0,
      colour: 'erased',
      means: 'their source is NULL now, so their sealed form was cleared',
    },
  ];
  return beside.filter(({ values }) => values > 0);
}

export interface StepTime {
  readonly name: string;
  /** Seconds from the run's snapshot. */
  readonly from: number;
  readonly to: number;
  readonly began: string;
}

/** The steps that began and ended, by the ledger. Clocks of two machines may differ: no step begins before the one before. */
export function steps(report: Report): StepTime[] {
  const moments = [
    report.snapshot ?? report.started_at,
    report.staging_at,
    report.staged_at,
    report.verified_at,
    report.merged_at,
  ];
  const zero = Date.parse(moments[0] ?? report.started_at);
  const times: StepTime[] = [];
  let from = 0;
  for (const [at, name] of ['plan', 'stage', 'verify', 'merge'].entries()) {
    const began = moments[at];
    const done = moments[at + 1];
    // The step that a run broke off in has the run's end.
    const ended = done ?? (report.state === 'succeeded' ? null : report.ended_at);
    if (!began || !ended) break;
    const to = Math.max(from, (Date.parse(ended) - zero) / 1000);
    times.push({ name: done ? name : `${name}, broken off`, from, to, began });
    if (!done) break;
    from = to;
  }
  return times;
}

/** Values a second while they were staged; null where that took no time, or is not known. */
export function throughput(report: Report): number | null {
  const stage = steps(report).find(({ name }) => name === 'stage');
  if (stage === undefined || stage.to <= stage.from || !report.selected) return null;
  return report.selected / (stage.to - stage.from);
}

export interface Planned {
  readonly name: string;
  readonly unit: string;
  readonly planned: number;
  readonly actual: number | null;
  /** Actual in per cent of the plan. */
  readonly percent: number | null;
}

export function planAndActual(report: Report): Planned[] {
  const { planned, kms_calls, seconds, cost_usd } = report;
  const compared = (name: string, unit: string, plan: number, actual: number | null): Planned => ({
    name,
    unit,
    planned: plan,
    actual,
    percent: plan > 0 && actual !== null ? (actual / plan) * 100 : null,
  });
  return [
    compared('KMS calls', 'calls', planned.kms_calls, kms_calls),
    compared('time', 'seconds', planned.minutes * 60, seconds),
    compared('cost without BigQuery', 'US$', planned.cost_usd, cost_usd),
  ];
}

/** What to do about the failure that a run ended with. */
export function remedyOfError(code: string, { run_id: id, via }: Pick<Report, 'run_id' | 'via'>): string {
  const remedy = withRun(knownCode(code)?.remedy ?? 'docs/runbook.md has every code', { id, via });
  return aimed(remedy).replaceAll('`', '');
}

/** What the run is, in the words of a headline. */
export function headline(report: Report): string {
  const count = (value: number | null): string => (value ?? 0).toLocaleString('en-US');
  const { waves_merged: merged, waves } = report;
  const source = merged ? `${merged} of its ${waves} waves are merged` : 'the source table is untouched';
  if (report.state === 'failed') return `The run failed; ${source}`;
  if (report.state === 'cancelled') return `The run was cancelled; ${source}`;
  if (report.state === 'abandoned') return `The run was abandoned; ${source}`;
  if (report.state !== 'succeeded') return `The run is under way; ${source}`;
  if (!report.selected && !report.rewrapped && !report.erased) return 'Nothing was left to do';
  if (!report.selected && report.rewrapped) return `${count(report.rewrapped)} row keysets sealed anew`;
  if (!report.selected) return `${count(report.erased)} values erased`;
  return `${count(report.merged)} of ${count(report.selected)} values re-encrypted`;
}
