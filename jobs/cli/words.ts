import { CLOSED } from '../contract/ledger.ts';
import type { Report } from '../run/report.ts';
import { linksOf } from './console-links.ts';
import { table } from './table.ts';
import type { Target } from './target.ts';

/** An amount as people read it. */
export const usd = (amount: number): string => `US$ ${amount < 1 ? amount.toFixed(4) : amount.toFixed(2)}`;

/** A count, unless there is nothing to count. */
const counted = (name: string, count: number | null): [string, number][] => (count ? [[name, count]] : []);

/** The report as name and value; a name that starts with spaces is a part of the one above it. */
export function reportRows(report: Report): [string, string | number][] {
  const { read_back: readBack } = report;
  return [
    ['run', report.run_id],
    ['state', report.state],
    ...(report.error_code === null
      ? []
      : [['error', `${report.error_code}: ${report.error}`] satisfies [string, string]]),
    ...counted('selected', report.selected),
    ...counted('merged', report.merged),
    ...counted('  without a tag', report.unauthenticated),
    ...counted('row keysets sealed anew', report.rewrapped),
    ...counted('rejected', rejectedOf(report)),
    ...counted('  not merged', report.rejected_staged),
    ...Object.entries(report.reasons).flatMap(([reason, n]) => counted(`  ${reason}`, n)),
    ...counted('erased', report.erased),
    ...counted('changed meanwhile', report.changed_meanwhile),
    ...counted('distinct data keys', report.distinct_deks),
    ...((report.waves ?? 1) > 1
      ? [['waves', `${report.waves_merged} of ${report.waves} merged`] satisfies [string, string]]
      : []),
    ...counted('KMS calls', report.kms_calls),
    ...(readBack.checked === 0
      ? []
      : [
          [
            'read back',
            `${readBack.readable} of ${readBack.checked} merged values open through SQL`,
          ] satisfies [string, string],
        ]),
    ['engine', `${report.engine}, ${report.source_format} → ${report.keying} keying`],
    ...(report.seconds === null
      ? []
      : [['took', `${report.seconds.toFixed(1)} s`] satisfies [string, string]]),
    ...(report.cost_usd ? [['cost without BigQuery', usd(report.cost_usd)] satisfies [string, string]] : []),
  ];
}

/** The ledger counts what is verified; a run that stopped before that has its reasons all the same. */
function rejectedOf({ state, rejected, reasons }: Report): number | null {
  if ((CLOSED as readonly string[]).includes(state)) return rejected;
  return Object.values(reasons).reduce((sum, n) => sum + n, 0) || rejected;
}

/** The report as it stands on a terminal: what there was none of is left out. */
export const reportLines = (report: Report): string =>
  table(reportRows(report).map(([name, value]) => [name, String(value)]));

/** Where Google's console shows the run's batch and execution. */
export const linkLines = (target: Target, report: Report): string =>
  table(linksOf(target, report).map(({ name, url }) => [name, url]));
