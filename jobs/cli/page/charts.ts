import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { Html, html } from './html.ts';
import { colour, type Palette } from './palette.ts';

/** A bar, or a part of one: `from` to `to` in the chart's unit. */
export interface Bar {
  readonly row: string;
  readonly from: number;
  readonly to: number;
  readonly colour: keyof Palette;
  /** What its end says; nothing where the table beside says it. */
  readonly label?: string;
  readonly href?: string;
}

export interface BarChart {
  /** What the chart shows: printed below it, and read out by a screen reader in its place. */
  readonly caption: string;
  /** What the axis counts: `values`, `seconds`, `US$`. */
  readonly unit: string;
  readonly bars: readonly Bar[];
  /** A line across all rows, with what it stands for. */
  readonly mark?: { readonly at: number; readonly label: string };
  /** Only as many marks as whole numbers there are. */
  readonly whole?: boolean;
}

/** Widths in pixels of the two drawings: a page is 60rem at most and lets it grow, a phone 360 or more. */
const WIDTHS = [
  { name: 'wide', width: 760 },
  { name: 'narrow', width: 340 },
] as const;

/** A figure with its chart in SVG, once for a screen and once for a phone: texts keep their size in both. */
export function barChart(chart: BarChart): Html {
  const drawn = WIDTHS.map(
    ({ name, width }) => html`<div class="${name}">${new Html(drawing(chart, width, name))}</div>`,
  );
  return html`<figure data-unit="${chart.unit}">${drawn}<figcaption>${chart.caption}</figcaption></figure>
`;
}

/** 1,200,000, or 1.2M where there is little room. */
const short = (value: number, narrow: boolean): string =>
  value.toLocaleString('en-US', {
    ...(narrow && value >= 1000 && { notation: 'compact' as const }),
    maximumSignificantDigits: 6,
  });

const ROW = 34;
const FONT = 13;
/** Of system-ui at 13 px, a little more than the average letter takes. */
const LETTER = 7.8;

function drawing(
  { bars, unit, mark, caption, whole = false }: BarChart,
  width: number,
  name: string,
): string {
  const { document } = parseHTML('<!doctype html><body></body>');
  const rows = [...new Set(bars.map(({ row }) => row))];
  const narrow = name === 'narrow';
  const letters = (texts: readonly string[]): number =>
    Math.max(0, ...texts.map((text) => text.length)) * LETTER;
  const left = Math.min(Math.ceil(letters(rows)) + 14, width * 0.42);
  const right = Math.ceil(letters(bars.map(({ label = '' }) => label))) + 12;
  const top = mark === undefined ? 4 : 24;
  const highest = Math.max(...bars.map(({ to }) => to), mark?.at ?? 0);
  // Between whole numbers nothing can be counted.
  const ticks = Math.min(narrow ? 3 : 6, whole ? Math.max(highest, 1) : 6);
  const svg = Plot.plot({
    // The type names the browser’s own, which this program is not compiled with.
    document: document as never,
    width,
    height: top + rows.length * ROW + 44,
    marginLeft: left,
    marginRight: right,
    marginTop: top,
    marginBottom: 44,
    style: { fontSize: `${FONT}px`, background: 'transparent', color: 'inherit', fontFamily: 'inherit' },
    ariaLabel: caption,
    // Not all zero: an axis needs a length.
    x: { domain: [0, highest || 1], label: null },
    y: { domain: rows, padding: 0.3, label: null },
    marks: [
      Plot.axisX({
        label: unit,
        labelAnchor: 'right',
        labelArrow: 'right',
        labelOffset: 38,
        ticks,
        tickFormat: (value: number) => short(value, narrow),
        tickSize: 4,
      }),
      Plot.gridX({ stroke: colour('line'), strokeOpacity: 1, ticks }),
      Plot.axisY({ tickSize: 0, lineWidth: left / FONT, textOverflow: 'ellipsis-end' }),
      Plot.barX(
        bars.filter(({ from, to }) => to > from),
        {
          y: 'row',
          x1: 'from',
          x2: 'to',
          fill: ({ colour: name }: Bar) => colour(name),
          href: 'href',
          rx: 2,
        },
      ),
      Plot.ruleX([0], { stroke: colour('muted') }),
      ...(mark === undefined
        ? []
        : [
            Plot.ruleX([mark.at], { stroke: colour('text'), strokeDasharray: '4 3' }),
            Plot.text([mark], { x: 'at', text: 'label', frameAnchor: 'top', dy: -16, textAnchor: 'middle' }),
          ]),
      Plot.text(
        bars.filter(({ label }) => label !== undefined),
        { y: 'row', x: 'to', text: 'label', textAnchor: 'start', dx: 6, href: 'href' },
      ),
    ],
    color: { type: 'identity' },
  });
  accessible(svg, bars);
  return svg.outerHTML;
}

/**
 * Names what can be reached, and nothing else: Plot labels its groups, which have no role that takes a name. What has
 * links is no image, since nothing inside an image is read out. https://www.w3.org/TR/wai-aria-1.2/#img
 */
function accessible(svg: ReturnType<typeof Plot.plot>, bars: readonly Bar[]): void {
  for (const group of svg.querySelectorAll('g[aria-label]')) group.removeAttribute('aria-label');
  const links = [...svg.querySelectorAll('a')];
  for (const link of links) {
    const bar = bars.find(({ href }) => href === link.getAttribute('href'));
    if (bar !== undefined) link.setAttribute('aria-label', bar.row);
  }
  svg.setAttribute('role', links.length > 0 ? 'group' : 'img');
}
