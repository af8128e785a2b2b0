import type { Report } from '../run/report.ts';
import { table } from './table.ts';

/** An amount as people read it. */
export const usd = (amount: number): string => `US$ ${amount < 1 ? amount.toFixed(4) : amount.toFixed(2)}`;
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
