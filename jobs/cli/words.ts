import type { Plan } from '../run/context.ts';
import type { Estimate } from '../run/cost.ts';
import type { Report } from '../run/report.ts';
import { table } from './table.ts';

const usd = (amount: number): string => `US$ ${amount < 1 ? amount.toFixed(4) : amount.toFixed(2)}`;
const minutes = (count: number): string =>
  count < 1 ? `${Math.ceil(count * 60)} s` : `${Math.ceil(count)} min`;

/** What `--plan` prints. */
export function planLines(planned: Plan, expected: Estimate): string {
  return table([
    ['values to re-encrypt', planned.selected],
    ...(planned.unauthenticated > 0 ? [['  without a tag', planned.unauthenticated]] : []),
    ...(planned.erasable > 0 ? [['values to erase', planned.erasable]] : []),
    ['distinct data keys', planned.distinctDeks],
    ['engine', planned.engine],
    ['expected KMS calls', expected.kmsCalls],
    ['expected time', minutes(expected.minutes)],
    ['expected cost', usd(expected.costUsd)],
  ]);
}

/** The report as name and value; a name that starts with spaces is a part of the one above it. */
export function reportRows(report: Report): [string, string | number][] {
  const { read_back: readBack } = report;
  return [
    ['run', report.run_id],
    ['state', report.state],
    ['selected', report.selected],
    ['merged', report.merged],
    ...(report.unauthenticated > 0
      ? [['  without a tag', report.unauthenticated] satisfies [string, number]]
      : []),
    ['rejected', report.rejected],
    ...Object.entries(report.reasons).map(([reason, n]): [string, number] => [`  ${reason}`, n]),
    ...(report.erased > 0 ? [['erased', report.erased] satisfies [string, number]] : []),
    ['changed meanwhile', report.changed_meanwhile],
    ['distinct data keys', report.distinct_deks],
    ['KMS calls', report.kms_calls ?? 'unknown'],
    ['read back', `${readBack.readable} of ${readBack.checked} merged values open through SQL`],
    ['engine', `${report.engine}, ${report.source_format} → ${report.keying} keying`],
    ['took', `${report.seconds.toFixed(1)} s`],
    ['cost', usd(report.cost_usd)],
  ];
}

/** The report as it stands on a terminal. */
export const reportLines = (report: Report): string =>
  table(reportRows(report).map(([name, value]) => [name, String(value)]));
