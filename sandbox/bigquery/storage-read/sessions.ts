import { randomUUID } from 'node:crypto';
import type { DuckDBValue } from '@duckdb/node-api';
import type bigquery from '@google-cloud/bigquery-storage/build/protos/protos.js';
import { GoogleError } from '../../errors/google-error.ts';
import { text } from '../../http/router.ts';
import type { Access } from '../access.ts';
import type { Backend } from '../duckdb/backend.ts';
import type { Table } from '../duckdb/catalog.ts';
import { stored } from '../duckdb/catalog.ts';
import { rows } from '../duckdb/engine.ts';
import { asOf } from '../duckdb/history.ts';
import { requiredFilter } from '../duckdb/partitioning.ts';
import type { SchemaField } from '../duckdb/schema.ts';
import { columnsNamed, readColumns } from '../script/columns.ts';
import { tokenize } from '../translate/tokens.ts';
import { ArrowColumns } from './arrow.ts';
import { type Restriction, restriction } from './restriction.ts';

type Request = bigquery.google.cloud.bigquery.storage.v1.ICreateReadSessionRequest;
type ReadSession = bigquery.google.cloud.bigquery.storage.v1.IReadSession;

/** A session ends six hours after it was made ("Create a read session"). */
const LIFETIME_MS = 6 * 60 * 60 * 1000;
/** BigQuery gives small tables one stream, whatever is asked for. */
const ROWS_A_STREAM = 50_000;

interface Session {
  readonly expires: number;
  readonly table: Table;
  readonly columns: ArrowColumns;
  readonly restriction: Restriction;
  readonly snapshotMicros: bigint;
  /** The rows of the table that each stream goes through, by their place in it. */
  readonly streams: ReadonlyMap<string, { from: number; to: number }>;
}

/** What a stream reads. */
export interface Reading {
  readonly columns: ArrowColumns;
  readonly sql: string;
  readonly values: Record<string, DuckDBValue>;
}

/** The read sessions of a sandbox. They do not outlive its process. */
export class ReadSessions {
  readonly #backend: Backend;
  readonly #sessions = new Map<string, Session>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Opens a session on a table as it is now, or was at the snapshot. @throws GoogleError */
  async create({ parent, readSession, maxStreamCount }: Request, access: Access): Promise<ReadSession> {
    const { engine, catalog } = this.#backend;
    // DataFormat.ARROW, as a number or by its name.
    if (readSession?.dataFormat !== 2 && readSession?.dataFormat !== 'ARROW')
      throw new GoogleError('UNIMPLEMENTED', "The sandbox's Storage Read API writes Arrow only.");
    const [, dataset = '', id = ''] =
      /^projects\/[^/]+\/datasets\/([^/]+)\/tables\/([^/]+)$/.exec(readSession.table ?? '') ?? [];
    if (id === '') throw new GoogleError('INVALID_ARGUMENT', 'read_session.table is not a table.');
    const table = stored(catalog.table(dataset, id), 'open a read session on');
    const { selectedFields, rowRestriction } = readSession.readOptions ?? {};
    const now = Date.now();
    const snapshotMicros = microsOf(readSession.tableModifiers?.snapshotTime) ?? BigInt(now) * 1000n;
    const fields = selected(table, selectedFields ?? []);
    const restricted = columnsNamed(tokenize(rowRestriction ?? ''), table);
    readColumns(access, table, [...fields.map(({ name }) => name), ...restricted]);
    const columns = new ArrowColumns(fields);
    const filter = requiredFilter(catalog.project, table);
    const condition = restriction(rowRestriction ?? '', table, filter);
    await catalog.settled();
    const from = asOf(catalog, table, snapshotMicros);
    const [[matching, last] = []] = await engine.use((connection) =>
      rows(
        connection,
        `SELECT count(*) FILTER (WHERE ${condition.sql}), coalesce(max(rowid), -1) FROM ${from}`,
        condition.values,
      ),
    );
    const place = text(catalog.dataset(dataset).body.location)?.toLowerCase() ?? 'us';
    const name = `${parent}/locations/${place}/sessions/${randomUUID()}`;
    const ranges = split(Number(last) + 1, Number(matching), Number(maxStreamCount ?? 0));
    const streams = new Map(ranges.map((range, at) => [`${name}/streams/${at}`, range]));
    this.#forgetExpired(now);
    const expires = now + LIFETIME_MS;
    this.#sessions.set(name, { expires, table, columns, restriction: condition, snapshotMicros, streams });
    return {
      ...readSession,
      name,
      expireTime: { seconds: Math.floor(expires / 1000), nanos: 0 },
      arrowSchema: { serializedSchema: columns.schema() },
      streams: [...streams.keys()].map((stream) => ({ name: stream })),
      estimatedRowCount: Number(matching),
    };
  }

  /** What is left to read of a stream behind an offset. @throws GoogleError */
  read(stream: string, offset: number): Reading {
    const session = this.#sessions.get(stream.replace(/\/streams\/\d+$/, ''));
    const range = session?.streams.get(stream);
    if (!session || !range || session.expires < Date.now())
      throw new GoogleError('NOT_FOUND', `Not found: read stream ${stream}`);
    const { table, columns, restriction: condition, snapshotMicros } = session;
    const from = asOf(this.#backend.catalog, table, snapshotMicros);
    // DuckDB keeps the order in which rows were inserted, so an offset means the same rows every time.
    const sql = `SELECT ${columns.sql} FROM ${from} WHERE rowid >= ${range.from} AND rowid < ${range.to} AND ${condition.sql} OFFSET ${offset}`;
    return { columns, sql, values: condition.values };
  }

  #forgetExpired(now: number): void {
    for (const [name, { expires }] of this.#sessions) if (expires < now) this.#sessions.delete(name);
  }
}

/** The fields in the order of the table, whatever the order in which they were asked for; all if none was. */
function selected({ schema, id }: Table, names: readonly string[]): SchemaField[] {
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  const columns = schema.filter(({ name }) => names.length === 0 || wanted.delete(name.toLowerCase()));
  if (names.length > 0 && wanted.size > 0)
    throw new GoogleError(
      'INVALID_ARGUMENT',
      `request failed: The following selected fields do not exist in the table schema: ${[...wanted].join(', ')} (table ${id})`,
    );
  return columns;
}

function microsOf(time: { seconds?: unknown; nanos?: number | null } | null | undefined): bigint | undefined {
  if (!time) return undefined;
  return BigInt(String(time.seconds ?? 0)) * 1_000_000n + BigInt(Math.floor((time.nanos ?? 0) / 1000));
}

/** As many streams as may be asked for and are worth it; none for no rows. */
function split(size: number, matching: number, most: number): { from: number; to: number }[] {
  if (matching === 0) return [];
  const count = Math.max(1, Math.min(most || 1, Math.ceil(matching / ROWS_A_STREAM)));
  const each = Math.ceil(size / count);
  return Array.from({ length: count }, (_, at) => ({ from: at * each, to: Math.min(size, (at + 1) * each) }));
}
