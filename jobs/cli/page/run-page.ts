import { mostSeals } from '../../contract/algorithms.ts';
import { LEDGER, type LedgerJson } from '../../contract/ledger.ts';
import { meaningOf, remedyOf } from '../../contract/reasons.ts';
import { aimedCommand } from '../aim.ts';
import { barChart } from './charts.ts';
import type { RunPageData } from './data.ts';
import { dataTable, type Html, html, NOTHING, note, number, page, section } from './html.ts';
import { moment, seconds, shareOf, stateBadge, usd } from './phrases.ts';
import {
  besideSelected,
  headline,
  outcomes,
  planAndActual,
  remedyOfError,
  steps,
  throughput,
} from './run-facts.ts';
import { runsSection } from './runs.ts';

/** The page of a run, for who checks it and for who goes on from it. */
export function runPage(data: RunPageData): string {
  const { report } = data;
  const body = html`${header(data)}
<main>${flow(data)}${reasons(data)}${timeline(data)}${keyCalls(data)}${plan(data)}${cost(data)}${keysets(data)}${runsSection('This run and the runs before it', [report, ...data.before], report.run_id)}${reading(data)}${record(report)}</main>
<footer>${note('No value of a row and no key is on this page. Every figure is from the ledger (the runs table) and the tables beside it, or follows from them.')}</footer>`;
  return page(`Reseal run ${report.run_id}`, body);
}

function header({ report, stack, links }: RunPageData): Html {
  const { read_back: readBack } = report;
  const rate = throughput(report);
  const tiles: [string, string][] = [
    ...(rate === null
      ? []
      : [['values a second while staging', number(Math.round(rate))] satisfies [string, string]]),
    ...(report.seconds === null ? [] : [['took', seconds(report.seconds)] satisfies [string, string]]),
    ...(report.kms_calls === null
      ? []
      : [['KMS calls', number(report.kms_calls)] satisfies [string, string]]),
    ...(report.cost_usd === null
      ? []
      : [['cost without BigQuery', usd(report.cost_usd)] satisfies [string, string]]),
    ...(readBack.checked === 0
      ? []
      : [
          [
            'merged values that open through SQL',
            `${number(readBack.readable)} of ${number(readBack.checked)} read`,
          ] satisfies [string, string],
        ]),
  ];
  const error =
    report.error_code === null
      ? NOTHING
      : html`<div class="error"><p><strong>${report.error_code}</strong>: ${report.error}</p><p>What to do: ${remedyOfError(report.error_code, report)}</p></div>`;
  return html`<header>${stateBadge(report.state)}
<h1>${headline(report)}</h1>
<p>Run <code>${report.run_id}</code> of stack ${stack.stack} on <code>${stack.project}.${stack.dataset}.${stack.tables.source}</code>, planned ${moment(report.started_at)}</p>
<p>${report.via === 'workflow' ? 'by the workflow' : 'by the job'}, ${report.engine} engine, mode ${report.mode}, ${report.source_format} → ${report.keying} keying${links.map(({ name, url }) => html` · <a href="${url}">${name} in Google’s console</a>`)}</p>
${error}${tiles.length === 0 ? NOTHING : html`<dl>${tiles.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`}</header>
`;
}

function flow({ report }: RunPageData): Html {
  const title = 'What became of the values';
  const parts = outcomes(report);
  const selected = report.selected ?? 0;
  const beside = besideSelected(report);
  if (selected === 0 && beside.length === 0)
    return section(title, note('The run selected no value, and found none to erase.'));
  let at = 0;
  const became = parts.map(({ values, colour }, index) => {
    const from = at;
    at += values;
    const label = index === parts.length - 1 ? { label: number(selected) } : {};
    return { row: 'became', from, to: at, colour, ...label };
  });
  const chart = barChart({
    caption: 'Values that the run selected, and what became of each of them.',
    unit: 'values',
    whole: true,
    bars: [
      { row: 'selected', from: 0, to: selected, colour: 'neutral', label: number(selected) },
      ...became,
      ...beside.map(({ name, values, colour }) => ({
        row: name,
        from: 0,
        to: values,
        colour,
        label: number(values),
      })),
    ],
  });
  const rows = [
    ...parts.map(({ name, values, colour, means }) => ({
      swatch: colour,
      cells: [name, number(values), shareOf(values, selected), means],
    })),
    ...beside.map(({ name, values, colour, means }) => ({
      swatch: colour,
      cells: [name, number(values), '–', `beside the selected: ${means}`],
    })),
  ];
  return section(title, chart, dataTable(['values', 'count', 'share', 'what that means'], rows));
}

function reasons({ report }: RunPageData): Html {
  const counted = Object.entries(report.reasons).sort(([, a], [, b]) => b - a);
  const total = counted.reduce((sum, [, n]) => sum + n, 0);
  if (total === 0) return NOTHING;
  const missing = (report.rejected ?? 0) - total;
  const chart = barChart({
    caption: 'Rejected values by reason. Each bar leads to what its reason means.',
    unit: 'rejected values',
    whole: true,
    bars: counted.map(([reason, n]) => ({
      row: reason,
      from: 0,
      to: n,
      colour: 'rejected',
      label: number(n),
      href: `#reason-${reason}`,
    })),
  });
  const rows = counted.map(([reason, n]) => ({
    id: `reason-${reason}`,
    cells: [html`<code>${reason}</code>`, number(n), meaningOf(reason), remedyOf(reason)],
  }));
  return section(
    'Why values were rejected',
    chart,
    dataTable(['reason', 'values', 'what it means', 'what to do'], rows),
    html`<p class="note">The ids: <code>${aimedCommand(`npm run reseal -- rejected ${report.run_id}`)}</code>${missing > 0 ? `. ${number(missing)} more were rejected again by a later run, and count there.` : ''}${report.rejected_staged > 0 ? `. ${number(report.rejected_staged)} of them are staged and not merged: no table has them for rejected yet.` : ''}</p>`,
  );
}

/** The steps that go through every value. */
const WORKING = ['stage', 'verify', 'merge'];

function timeline({ report }: RunPageData): Html {
  const times = steps(report);
  if (times.length === 0) return NOTHING;
  const selected = report.selected ?? 0;
  const chart = barChart({
    caption: 'The steps one after the other, from the moment as of which the run reads.',
    unit: 'seconds',
    bars: times.map(({ name, from, to }) => ({
      row: name,
      from,
      to,
      colour: 'neutral',
      label: seconds(to - from),
    })),
  });
  const rows = times.map(({ name, from, to, began }) => ({
    cells: [
      name,
      moment(began),
      seconds(to - from),
      WORKING.includes(name) && to > from && selected > 0 ? number(Math.round(selected / (to - from))) : '–',
    ],
  }));
  return section('When', chart, dataTable(['step', 'began', 'took', 'values a second'], rows));
}

function keyCalls({ report }: RunPageData): Html {
  const { distinct_deks: deks, kms_calls: calls } = report;
  if (!deks) return NOTHING;
  const bars = [
    { name: 'distinct data keys', count: deks },
    ...(calls === null ? [] : [{ name: 'KMS calls', count: calls }]),
  ];
  const chart = barChart({
    caption:
      'Calls of Cloud KMS for data keys, against the data keys that there are: one each, however many values a key has.',
    unit: 'data keys, KMS calls',
    whole: true,
    bars: bars.map(({ name, count }) => ({
      row: name,
      from: 0,
      to: count,
      colour: 'neutral',
      label: number(count),
    })),
  });
  const rows = bars.map(({ name, count }) => ({
    cells: [name, number(count), ((report.selected ?? 0) / Math.max(count, 1)).toFixed(1)],
  }));
  return section('Calls of Cloud KMS', chart, dataTable(['what', 'count', 'values for each'], rows));
}

function plan({ report }: RunPageData): Html {
  const compared = planAndActual(report);
  const drawn = compared.filter(({ percent }) => percent !== null);
  const rows = compared.map(({ name, unit, planned, actual, percent }) => {
    const shown = (value: number | null): string =>
      value === null
        ? '–'
        : unit === 'US$'
          ? usd(value)
          : unit === 'seconds'
            ? seconds(value)
            : number(value);
    return {
      cells: [name, shown(planned), shown(actual), percent === null ? '–' : `${percent.toFixed(0)}%`],
    };
  });
  const table = dataTable(['what', 'planned', 'actual', 'of the plan'], rows);
  if (drawn.length === 0) return section('Plan and outcome', table);
  const chart = barChart({
    caption: 'What the run took, in per cent of what the plan expects of a run of this size.',
    unit: '% of the plan',
    mark: { at: 100, label: 'as planned' },
    bars: drawn.map(({ name, percent }) => ({
      row: name,
      from: 0,
      to: percent ?? 0,
      colour: 'neutral',
      label: `${(percent ?? 0).toFixed(0)}%`,
    })),
  });
  return section('Plan and outcome', chart, table);
}

function cost({ report }: RunPageData): Html {
  const { kms_calls: calls, milli_dcu_seconds: usage } = report;
  const { kms_usd: kms, dataproc_usd: dataproc } = report.cost_parts;
  const hours = usage === null ? 'no batch' : `${(usage / 3_600_000).toFixed(2)} DCU-hours`;
  const parts = [
    { name: 'Cloud KMS', usd: kms, of: `${number(calls)} calls` },
    { name: 'Dataproc', usd: dataproc, of: hours },
  ];
  const known = parts.flatMap(({ usd: amount, ...part }) => (amount === null ? [] : [{ ...part, amount }]));
  const total = known.reduce((sum, { amount }) => sum + amount, 0);
  const isWhole = known.length === parts.length;
  const rows = parts.map(({ name, usd: amount, of }) => ({
    cells:
      amount === null
        ? [name, '–', '–', 'not known']
        : [name, usd(amount), isWhole ? shareOf(amount, total) : '–', of],
  }));
  const table = dataTable(['part', 'cost', 'share', 'for'], rows);
  const hint = note(
    'From list prices. What BigQuery reads and stores is billed by the project’s own terms, and is not in it.',
  );
  if (total === 0) return section(COST_TITLE, table, hint);
  const chart = barChart({
    caption: 'Estimated cost by what it is paid for.',
    unit: 'US$',
    bars: known.map(({ name, amount }) => ({
      row: name,
      from: 0,
      to: amount,
      colour: 'neutral',
      label: usd(amount),
    })),
  });
  return section(COST_TITLE, chart, table, hint);
}

const COST_TITLE = 'What it cost without BigQuery';

function keysets({ keysets: versions, report }: RunPageData): Html {
  const title = 'Versions of the first-level keyset';
  if (versions.length === 0) return section(title, note('There is none yet: the first run makes it.'));
  const rows = versions.map(({ version, created_at, algorithm, seals, kms_key }) => ({
    ...(version === report.keyset_version ? { swatch: 'sealed' as const } : {}),
    cells: [
      version === report.keyset_version ? `${version} (this run)` : String(version),
      moment(created_at),
      number(seals),
      `${((seals / mostSeals(algorithm).count) * 100).toPrecision(2)}%`,
      algorithm,
      html`<code>${kms_key}</code>`,
    ],
  }));
  // Those of one type may seal equally often.
  const most = [...new Set(versions.map(({ algorithm }) => mostSeals(algorithm).text))].sort().join(' or ');
  const sealing = versions.some(({ seals }) => seals > 0);
  const chart = barChart({
    caption: `What each version has sealed so far; one may seal ${most} times.`,
    unit: 'seals',
    whole: true,
    bars: versions.map(({ version, seals }) => ({
      row: `version ${version}`,
      from: 0,
      to: seals,
      colour: version === report.keyset_version ? 'sealed' : 'neutral',
      label: number(seals),
    })),
  });
  const head = ['version', 'made', 'seals', `of ${most}`, 'algorithm', 'Cloud KMS key'];
  return section(title, sealing ? chart : NOTHING, dataTable(head, rows));
}

const reading = ({ reading: { query, script }, report }: RunPageData): Html =>
  report.merged === null && report.state !== 'succeeded'
    ? NOTHING
    : section(
        'Read the values',
        note('To paste into BigQuery, for who has the roles that docs/iam.md lists for readers:'),
        html`<pre>${query}</pre>`,
        html`<details><summary>Without the view: what the procedure runs</summary><pre>${script}</pre></details>`,
      );

/** The ledger's row as it is: what every figure above derives from. */
function record(report: LedgerJson): Html {
  const names = Object.keys(LEDGER) as (keyof typeof LEDGER)[];
  const rows = names.map((name) => ({
    cells: [html`<code>${name}</code>`, html`<code>${report[name]}</code>`, LEDGER[name].description],
  }));
  const table = dataTable(['column', 'value', 'what it is'], rows);
  return section(
    'The record',
    html`<details><summary>The run’s row of the ledger</summary>${table}</details>`,
  );
}
