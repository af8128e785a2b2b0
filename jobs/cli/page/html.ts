import { colour, PALETTE_CSS, type Palette } from './palette.ts';

/** Text that is HTML already; everything else is escaped on its way into a page. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | null | readonly (Html | string | number)[];

const escaped = (text: string | number): string =>
  String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

function textOf(part: Part): string {
  if (part === null) return '–';
  if (part instanceof Html) return part.text;
  return Array.isArray(part) ? part.map(textOf).join('') : escaped(part as string | number);
}

/**
 * HTML with values in it, each escaped unless it is HTML itself.
 *
 * @example
 * html`<b>${'<'}</b>`.text; // '<b>&#60;</b>'
 */
export const html = (texts: TemplateStringsArray, ...parts: readonly Part[]): Html =>
  new Html(texts.reduce((whole, text, at) => whole + textOf(parts[at - 1] as Part) + text));

export const NOTHING = new Html('');

/** 1234567 → 1,234,567 */
export const number = (value: number | null): string =>
  value === null ? '–' : value.toLocaleString('en-US');

export interface Row {
  readonly cells: readonly Part[];
  /** The colour that stands for it in the chart. */
  readonly swatch?: keyof Palette;
  /** What a link leads to. */
  readonly id?: string;
}

/** The same as a chart in figures. Cells that begin with a digit stand to the right; the first names the row. */
export function dataTable(head: readonly string[], rows: readonly Row[]): Html {
  const isNumber = (part: Part): boolean =>
    part === null || typeof part === 'number' || (typeof part === 'string' && /^[\d–<$][^:]*$/.test(part));
  const numeric = head.map((_, at) => at > 0 && rows.every(({ cells }) => isNumber(cells[at] ?? null)));
  const style = (at: number): Html => (numeric[at] ? new Html(' class="number"') : NOTHING);
  // On a phone a row stands as a list, and each cell says which column it is of.
  const cell = (part: Part, at: number, swatch?: keyof Palette): Html =>
    at === 0
      ? html`<th scope="row">${swatch === undefined ? NOTHING : new Html(`<i style="background:${colour(swatch)}"></i>`)}${part}</th>`
      : html`<td${style(at)} data-head="${head[at] ?? ''}"><span>${part}</span></td>`;
  return html`<div class="scroll" tabindex="0"><table><thead><tr>${head.map((name, at) => html`<th scope="col"${style(at)}>${name}</th>`)}</tr></thead>
<tbody>${rows.map(
    ({
      cells,
      swatch,
      id,
    }) => html`<tr${id === undefined ? NOTHING : html` id="${id}"`}>${cells.map((part, at) => cell(part, at, swatch))}</tr>
`,
  )}</tbody></table></div>`;
}

/** A part of the page: its chart, if there is one to draw, with the same in figures beside it. */
export const section = (title: string, ...parts: readonly Html[]): Html =>
  html`<section><h2>${title}</h2>${parts}</section>
`;

export const note = (text: string): Html => html`<p class="note">${text}</p>`;

const CSS = `${PALETTE_CSS}
* { box-sizing: border-box; }
html { background: var(--page); color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; -webkit-text-size-adjust: 100%; }
body { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; font-weight: 650; margin: .5rem 0 .25rem; text-wrap: balance; }
h2 { font-size: 1.1rem; font-weight: 650; margin: 0 0 .75rem; }
p { margin: .25rem 0; }
a { color: var(--link); }
section { border-top: 1px solid var(--line); padding: 1.5rem 0; }
.note, header p, figcaption, dt { color: var(--muted); font-size: .875rem; }
.state { display: inline-block; border: 1.5px solid currentColor; border-radius: 1rem; padding: 0 .7rem; font-size: .875rem; font-weight: 600; }
.error { border-left: 4px solid var(--rejected); background: var(--panel); padding: .75rem 1rem; margin: 1rem 0; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.5rem 0; }
dl div { background: var(--panel); border-radius: .5rem; padding: .75rem 1rem; }
dt { line-height: 1.3; }
dd { margin: .15rem 0 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
figure { margin: 0 0 1rem; }
figure svg { display: block; width: 100%; max-width: 100%; height: auto; overflow: visible; }
figure svg a text { fill: var(--link); text-decoration: underline; }
.narrow { display: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 400; }
tbody th, tbody th code { white-space: nowrap; }
thead th { color: var(--muted); white-space: nowrap; }
tr:target { background: var(--panel); }
.number { text-align: right; white-space: nowrap; }
i { display: inline-block; width: .7em; height: .7em; border-radius: .15em; margin-right: .5em; }
pre { background: var(--panel); border-radius: .5rem; padding: 1rem; overflow-x: auto; font: .8125rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { font: .9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
details { margin-top: .5rem; }
summary { cursor: pointer; color: var(--link); }
footer { border-top: 1px solid var(--line); padding-top: 1rem; }
@media (max-width: 40rem) {
  body { padding: 1.25rem 1rem 3rem; }
  h1 { font-size: 1.3rem; }
  .wide { display: none; }
  .narrow { display: block; }
  dl { grid-template-columns: 1fr 1fr; }
  dl div { padding: .6rem .75rem; }
  dd { font-size: 1.1rem; }
}
@media (max-width: 50rem) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tbody, tr, tbody th, td { display: block; }
  tbody tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  tbody th, tbody th code { white-space: normal; overflow-wrap: anywhere; }
  tbody th { font-weight: 600; }
  th, td { border: 0; padding: .1rem 0; }
  td, td.number { display: grid; grid-template-columns: 7.5rem 1fr; gap: .5rem; text-align: left; white-space: normal; }
  td::before { content: attr(data-head); color: var(--muted); }
}
@media print { body { max-width: none; } section { break-inside: avoid; } }`;

/** A whole page: one file, no script, nothing fetched. */
export const page = (title: string, body: Html): string =>
  html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Html(CSS)}</style></head><body>
${body}</body></html>
`.text;
