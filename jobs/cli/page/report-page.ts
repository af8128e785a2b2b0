import type { Report } from '../../run/report.ts';
import { reportRows } from '../words.ts';

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
