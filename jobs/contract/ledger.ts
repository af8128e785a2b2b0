import { ENGINES, KEYINGS, SOURCE_FORMATS } from './settings/choices.ts';
import { MODES } from './sql/select-values.ts';

/** Where a run stands. All but those of `CLOSED` can be resumed. */
const RUN_STATES = [
  'planned',
  'staging',
  'verified',
  'succeeded',
  'failed',
  'cancelled',
  'abandoned',
] as const;
export type RunState = (typeof RUN_STATES)[number];

/** The states that a run never leaves: merged whole, or given up by an operator. */
export const CLOSED = ['succeeded', 'abandoned'] as const satisfies readonly RunState[];

/** What carries a run out: the job in its own process, or the deployed workflow. */
const VIAS = ['job', 'workflow'] as const;
export type Via = (typeof VIAS)[number];

interface LedgerColumn {
  readonly type: 'STRING' | 'INT64' | 'FLOAT64' | 'TIMESTAMP';
  readonly mode: 'REQUIRED' | 'NULLABLE';
  readonly description: string;
  /** The only values that it takes. */
  readonly values?: readonly string[];
  /** An INT64 that may pass 2^53 stays the decimal text that BigQuery's REST API gives. */
  readonly exact?: true;
}

const nullable = <T extends LedgerColumn['type']>(type: T, description: string) =>
  ({ type, mode: 'NULLABLE', description }) as const;
const required = <T extends LedgerColumn['type']>(type: T, description: string) =>
  ({ type, mode: 'REQUIRED', description }) as const;
const oneOf = <const V extends readonly string[]>(values: V, description = '') =>
  ({
    type: 'STRING',
    mode: 'REQUIRED',
    description: `${description}${values.slice(0, -1).join(', ')} or ${values.at(-1)}`,
    values,
  }) as const;

/**
 * The columns of the ledger, one row a run. The table's schema, the SELECT list, the row's TypeScript type and the
 * JSON of report and history derive from this table, so all of them use these names.
 */
export const LEDGER = {
  run_id: required('STRING', 'Every id of the run derives from it'),
  state: oneOf(RUN_STATES),
  via: oneOf(VIAS),
  engine: oneOf(ENGINES),
  owner: nullable(
    'STRING',
    'Whoever drives it now: a process or an execution of the workflow; NULL is nobody',
  ),
  heartbeat: nullable('TIMESTAMP', 'When its driver was last heard of'),
  mode: oneOf(MODES),
  source_format: oneOf(SOURCE_FORMATS, 'How the source was read: '),
  keying: oneOf(KEYINGS),
  settings: nullable(
    'STRING',
    'The settings that its values are staged and merged under, each with a hash of its value: a run that broke off goes on under the same alone',
  ),
  keyset_version: nullable('INT64', 'The first-level keyset that sealed'),
  snapshot: nullable('TIMESTAMP', 'The rows were selected and read as of this moment'),
  row_limit: nullable('INT64', 'Rows at the most; NULL for no limit'),
  id_from: {
    ...nullable(
      'INT64',
      'The lowest id that it takes: a run with a row limit begins behind the one before it. Of ids of another type than INT64 `>` and the last id that it does not take; empty for none',
    ),
    exact: true,
  },
  id_cutoff: {
    ...nullable(
      'INT64',
      'The highest id that a row limit lets in. Of ids of another type `<=` and that id; empty without a limit',
    ),
    exact: true,
  },
  selected: nullable('INT64', 'Values to re-encrypt'),
  distinct_deks: nullable('INT64', 'Distinct data keys among them'),
  waves: nullable('INT64', 'In how many waves of data keys it goes; 1 for all at once'),
  statement_millis: nullable(
    'INT64',
    'What a small statement took when the run was planned: the pace by which the plan reckons; 0 where nobody measured',
  ),
  waves_merged: nullable('INT64', 'How many of its waves are merged; the counts below add them up'),
  attempt: nullable(
    'STRING',
    'The batch or job that stages the wave at hand, or whose staged rows were verified',
  ),
  not_whole: nullable(
    'STRING',
    'Attempts whose staged rows were not whole, each between two spaces: none of them is taken again',
  ),
  counted_attempt: nullable('STRING', 'The last attempt whose calls, usage and cost are counted'),
  wave_staged: nullable('INT64', 'Values sealed by the verified wave that is not merged yet'),
  wave_rejected: nullable('INT64', 'Values rejected by it'),
  wave_unauthenticated: nullable('INT64', 'Values without a tag among those that it sealed'),
  staged: nullable('INT64', 'Values sealed'),
  rejected: nullable('INT64', 'Values rejected'),
  unauthenticated: nullable('INT64', 'Of those sealed, values without a tag: nothing proves their source'),
  erased: nullable('INT64', 'Sealed values cleared because their source is NULL now'),
  merged: nullable('INT64', 'Values written into the source table'),
  rewrapped: nullable(
    'INT64',
    'Row keysets sealed anew under the newest version inside BigQuery: their values stay as they are',
  ),
  changed_meanwhile: nullable(
    'INT64',
    'Values whose source changed between stage and merge: left as they were',
  ),
  kms_calls: nullable('INT64', 'KMS Decrypt calls for data keys, of every attempt that staged to the end'),
  started_at: required('TIMESTAMP', 'When the run was planned'),
  staging_at: nullable('TIMESTAMP', 'When its first wave began to stage, in the last attempt at that wave'),
  staged_at: nullable('TIMESTAMP', 'When its last wave had staged its last value'),
  verified_at: nullable('TIMESTAMP', 'When the staged values of that wave had been verified'),
  merged_at: nullable('TIMESTAMP', 'When the merge of its last wave had written its last value'),
  resealed_at: nullable('TIMESTAMP', 'The moment that its merged values carry, whichever wave they are of'),
  ended_at: nullable('TIMESTAMP', 'When it was merged whole, failed, was cancelled or abandoned'),
  batch_id: nullable('STRING', 'The Dataproc batch'),
  milli_dcu_seconds: nullable('INT64', "The batch's approximate usage"),
  cost_usd: nullable('FLOAT64', 'Estimated from usage and KMS calls, without what BigQuery reads'),
  error_code: nullable('STRING', 'Stable code of the failure'),
  error: nullable('STRING', 'What went wrong and what to change'),
} as const satisfies Readonly<Record<string, LedgerColumn>>;

/** The columns that bound the ids of a run; their type goes by that of the ids. */
export const BOUNDS: readonly string[] = ['id_from', 'id_cutoff'] satisfies (keyof typeof LEDGER)[];

type Ledger = typeof LEDGER;
export type LedgerName = keyof Ledger;

/** A TIMESTAMP is milliseconds since the epoch. */
type Cell<C extends LedgerColumn> = C extends { values: readonly (infer V)[] }
  ? V
  : C extends { exact: true } | { type: 'STRING' }
    ? string
    : number;

/** A run as the ledger has it. */
export type LedgerRow = {
  readonly [K in LedgerName]: Ledger[K]['mode'] extends 'REQUIRED' ? Cell<Ledger[K]> : Cell<Ledger[K]> | null;
};

const columns = Object.entries(LEDGER) as [LedgerName, LedgerColumn][];

/** The SELECT list that `ledgerRow` reads: every column under its own name, TIMESTAMPs as milliseconds. */
export const LEDGER_SELECT = columns
  .map(([name, { type }]) => (type === 'TIMESTAMP' ? `UNIX_MILLIS(${name}) AS ${name}` : name))
  .join(', ');

/**
 * A row of `LEDGER_SELECT`, from the texts that BigQuery's REST API gives.
 *
 * @example
 * ledgerRow({ run_id: 'pr-123', selected: '20', … }).selected; // 20
 */
export function ledgerRow(row: Readonly<Record<string, string | null>>): LedgerRow {
  const cell = ([name, { type, exact }]: [LedgerName, LedgerColumn]) => {
    const text = row[name] ?? null;
    return [name, text === null || type === 'STRING' || exact ? text : Number(text)];
  };
  return Object.fromEntries(columns.map(cell)) as LedgerRow;
}

/** The row as report and history show it: TIMESTAMPs in ISO 8601, UTC. */
export type LedgerJson = {
  readonly [K in LedgerName]: Ledger[K]['type'] extends 'TIMESTAMP'
    ? Ledger[K]['mode'] extends 'REQUIRED'
      ? string
      : string | null
    : LedgerRow[K];
};

/**
 * The row as report and history print it: under the ledger's names, TIMESTAMPs in ISO 8601.
 *
 * @example
 * ledgerJson(row).started_at; // '2026-01-02T03:04:05.000Z'
 */
export function ledgerJson(row: LedgerRow): LedgerJson {
  const cell = ([name, { type }]: [LedgerName, LedgerColumn]) => {
    const value = row[name];
    return [name, type === 'TIMESTAMP' && typeof value === 'number' ? new Date(value).toISOString() : value];
  };
  return Object.fromEntries(columns.map(cell)) as LedgerJson;
}
