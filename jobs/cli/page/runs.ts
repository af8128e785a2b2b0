import type { Deployment } from '../../contract/deployment.ts';
import { type LedgerJson, type LedgerRow, ledgerJson } from '../../contract/ledger.ts';
import { type Beside, besideOf } from '../beside.ts';
import { type Bar, barChart } from './charts.ts';
import { dataTable, type Html, html, NOTHING, note, number, page, section } from './html.ts';
import { moment, seconds, stateBadge, usd } from './phrases.ts';

/** Runs over time: what each took, sealed and rejected. One shape of data, the ledger's row, for both pages. */

/** The time of a run on its row of a chart: its id may be any word. */
const rowName = ({ started_at }: LedgerJson): string => started_at.slice(0, 19).replace('T', ' ');

const tookSeconds = (run: LedgerJson): number | null => {
  const ended = run.merged_at ?? run.ended_at;
  return ended === null
    ? null
    : Math.max((Date.parse(ended) - Date.parse(run.snapshot ?? run.started_at)) / 1000, 0);
};

/** Runs that began in the same second get a row each. */
function named(runs: readonly LedgerJson[]): { run: LedgerJson; row: string }[] {
  const met = new Map<string, number>();
  return runs.map((run) => {
    const name = rowName(run);
    const times = (met.get(name) ?? 0) + 1;
    met.set(name, times);
    return { run, row: times === 1 ? name : `${name} (${times})` };
  });
}

function outcomeBars(runs: readonly LedgerJson[]): Bar[] {
  return named(runs).flatMap(({ run, row }) => {
    const [sealed, rejected] = [run.merged ?? 0, run.state === 'succeeded' ? (run.rejected ?? 0) : 0];
    const parts: [number, Bar['colour']][] = [
      [sealed, 'sealed'],
      [rejected, 'rejected'],
      [run.changed_meanwhile ?? 0, 'changed'],
      [run.rewrapped ?? 0, 'neutral'],
      [run.erased ?? 0, 'erased'],
    ];
    let at = 0;
    const bars = parts.map(([values, colour]): Bar => {
      const from = at;
      at += values;
      return { row, from, to: at, colour };
    });
    const label = run.state === 'succeeded' ? number(at) : run.state;
    return bars.map((bar, index) => (index === bars.length - 1 ? { ...bar, label } : bar));
  });
}

/** What the chart's caption says of it. */
const CAPTION: Readonly<Record<Beside, string>> = {
  rewrapped: ', row keysets sealed anew (grey)',
  erased: ', values erased (violet)',
};

/** @param current the run that the page is about, if it is about one */
export function runsSection(title: string, runs: readonly LedgerJson[], current?: string): Html {
  if (runs.length === 0) return section(title, note('There is no run yet.'));
  const beside = besideOf(runs);
  const some = beside.length > 0 || runs.some(({ merged, rejected }) => merged || rejected);
  const chart = barChart({
    caption: `Values sealed (blue), rejected (red), changed meanwhile (ochre)${beside.map(({ column }) => CAPTION[column]).join('')} by each run, the newest at the top.`,
    unit: 'values',
    whole: true,
    bars: outcomeBars(runs),
  });
  const rows = runs.map((run) => ({
    cells: [
      html`<code>${run.run_id === current ? html`<strong>${run.run_id}</strong>` : run.run_id}</code><br><small>${moment(run.started_at)}</small>`,
      html`${stateBadge(run.state)}${run.error_code === null ? '' : ` ${run.error_code}`}`,
      `${run.engine}, ${run.mode}`,
      number(run.selected),
      number(run.merged),
      number(run.rejected),
      ...beside.map(({ column }) => number(run[column])),
      number(run.kms_calls),
      tookSeconds(run) === null ? '–' : seconds(tookSeconds(run) ?? 0),
      run.cost_usd === null ? '–' : usd(run.cost_usd),
    ],
  }));
  const head = [
    'run, planned',
    'state',
    'how',
    'selected',
    'sealed',
    'rejected',
    ...beside.map(({ name }) => name),
    'KMS calls',
    'took',
    'cost without BigQuery',
  ];
  return section(title, some ? chart : NOTHING, dataTable(head, rows));
}

function times(runs: readonly LedgerJson[]): Html {
  const known = named(runs).flatMap(({ run, row }) => {
    const took = tookSeconds(run);
    return took === null ? [] : [{ row, took }];
  });
  if (known.length === 0) return NOTHING;
  const chart = barChart({
    caption: 'From the moment as of which each run reads to its end, the newest at the top.',
    unit: 'seconds',
    bars: known.map(({ row, took }) => ({ row, from: 0, to: took, colour: 'neutral', label: seconds(took) })),
  });
  return section('How long each took', chart);
}

/** The page of `reseal history`: runs over time, the newest first. */
export function historyPage(
  { stack, project, dataset, tables }: Pick<Deployment, 'stack' | 'project' | 'dataset' | 'tables'>,
  rows: readonly LedgerRow[],
): string {
  const runs = rows.map(ledgerJson);
  const count = runs.length === 1 ? '1 run' : `${number(runs.length)} runs`;
  const body = html`<header><h1>${count} of stack ${stack}</h1>
<p>on <code>${project}.${dataset}.${tables.source}</code>${runs[0] === undefined ? '' : `, the newest planned ${moment(runs[0].started_at)}`}</p></header>
<main>${runsSection('What became of the values', runs)}${times(runs)}</main>
<footer>${note('No value of a row and no key is on this page. Every figure is from the ledger (the runs table).')}</footer>`;
  return page(`Reseal runs of ${stack}`, body);
}
