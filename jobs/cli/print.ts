import type { Plan } from '../run/context.ts';
import type { Estimate } from '../run/cost.ts';
import type { Report } from '../run/report.ts';

/** Rows of cells, aligned: numbers to the right, words to the left. */
export function columns(rows: readonly (readonly (string | number)[])[]): string {
  const width = (at: number): number => Math.max(...rows.map((row) => String(row[at] ?? '').length));
  const last = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: last }, (_, at) => width(at));
  const cell = (value: string | number, at: number): string =>
    typeof value === 'number' ? String(value).padStart(widths[at] ?? 0) : value.padEnd(widths[at] ?? 0);
  return rows.map((row) => `${row.map(cell).join('  ').trimEnd()}\n`).join('');
}

const usd = (amount: number): string => `US$ ${amount < 1 ? amount.toFixed(4) : amount.toFixed(2)}`;
const minutes = (count: number): string =>
  count < 1 ? `${Math.ceil(count * 60)} s` : `${Math.ceil(count)} min`;

/** What `--plan` prints. */
export function planLines(planned: Plan, expected: Estimate): string {
  return columns([
    ['values to re-encrypt', planned.selected],
    ['distinct data keys', planned.distinctDeks],
    ['engine', planned.engine],
    ['expected KMS calls', expected.kmsCalls],
    ['expected time', minutes(expected.minutes)],
    ['expected cost', usd(expected.costUsd)],
  ]);
}

/** The report as name and value. */
function reportRows(report: Report): [string, string | number][] {
  const { read_back: readBack } = report;
  return [
    ['run', report.run_id],
    ['state', report.state],
    ['selected', report.selected],
    ['merged', report.merged],
    ['refused', report.rejected],
    ...Object.entries(report.reasons).map(([reason, n]): [string, number] => [`  ${reason}`, n]),
    ['changed meanwhile', report.changed_meanwhile],
    ['distinct data keys', report.distinct_deks],
    ['KMS calls', report.kms_calls ?? 'unknown'],
    ['read back', `${readBack.readable} of ${readBack.checked} merged values open through SQL`],
    ['engine', `${report.engine}, ${report.source_format} → ${report.keying} keying`],
    ['took', `${report.seconds.toFixed(1)} s`],
    ['cost', usd(report.cost_usd)],
  ];
}

export const reportLines = (report: Report): string =>
  columns(reportRows(report).map(([name, value]) => [name, String(value)]));

const html = (text: string | number): string =>
  String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** The report as a page of its own: no script, nothing fetched. */
export function reportPage(report: Report): string {
  const rows = reportRows(report).map(
    ([name, value]) =>
      `<tr${name.startsWith(' ') ? ' class="part"' : ''}><th scope="row">${html(name.trim())}</th><td>${html(value)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Reseal run ${html(report.run_id)}</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 400; opacity: .7; width: 14rem; }
th, td { padding: .35rem .5rem; border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
.part th { padding-left: 2rem; }
</style></head><body>
<h1>Reseal: ${html(report.merged)} of ${html(report.selected)} values re-encrypted</h1>
<p>Started ${html(report.started_at.slice(0, 19).replace('T', ' '))} UTC.</p>
<table>${rows.join('\n')}</table>
</body></html>
`;
}
