import {
  DuckDBBlobValue,
  type DuckDBDataChunk,
  DuckDBDecimalValue,
  DuckDBListValue,
  type DuckDBValue,
} from '@duckdb/node-api';
import {
  Binary,
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Field,
  Float64,
  Int64,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  TimestampMicrosecond,
  tableToIPC,
  Utf8,
} from 'apache-arrow';
import { GoogleError } from '../../errors/google-error.ts';
import type { SchemaField } from '../duckdb/schema.ts';
import { quote } from '../duckdb/types.ts';

/**
 * BigQuery's columns in Arrow, as the Storage Read API writes them.
 * https://cloud.google.com/bigquery/docs/reference/storage#arrow_schema_details
 */
interface Wire {
  readonly type: DataType;
  /** The value in DuckDB's SQL, brought into the form in which Arrow stores it. */
  sql(value: string): string;
  /** The buffers of a column of such values. */
  data(values: readonly DuckDBValue[]): Data;
}

/** NUMERIC is a whole number of units of 10^-9. */
const [NUMERIC_PRECISION, NUMERIC_SCALE] = [38, 9];

const WIRES: Readonly<Record<string, Wire>> = {
  BIGINT: {
    type: new Int64(),
    sql: (value) => value,
    data: (values) => makeData({ type: new Int64(), data: integers(values), ...nulls(values) }),
  },
  VARCHAR: texts((value) => `encode(${value})`),
  JSON: texts((value) => `encode(CAST(${value} AS VARCHAR))`),
  BLOB: {
    type: new Binary(),
    sql: (value) => value,
    data: (values) => makeData({ type: new Binary(), ...joined(values), ...nulls(values) }),
  },
  BOOLEAN: {
    type: new Bool(),
    sql: (value) => value,
    data: (values) =>
      makeData({ type: new Bool(), data: bitmap(values, (value) => value === true), ...nulls(values) }),
  },
  DOUBLE: {
    type: new Float64(),
    sql: (value) => value,
    data: (values) =>
      makeData({ type: new Float64(), data: Float64Array.from(values, Number), ...nulls(values) }),
  },
  'TIMESTAMP WITH TIME ZONE': moments('UTC'),
  TIMESTAMP: moments(null),
  DATE: {
    type: new DateDay(),
    sql: (value) => `${value} - DATE '1970-01-01'`,
    data: (values) =>
      makeData({ type: new DateDay(), data: Int32Array.from(values, Number), ...nulls(values) }),
  },
  'DECIMAL(38,9)': {
    type: new Decimal(NUMERIC_SCALE, NUMERIC_PRECISION),
    sql: (value) => value,
    data: decimals,
  },
};

function wireOf(duckdb: string): Wire {
  if (duckdb.endsWith('[]')) return list(wireOf(duckdb.slice(0, -2)));
  const wire = WIRES[duckdb];
  if (wire) return wire;
  throw new GoogleError('UNIMPLEMENTED', `The sandbox's Storage Read API has no columns of type ${duckdb}.`);
}

function texts(sql: Wire['sql']): Wire {
  const type = new Utf8();
  return { type, sql, data: (values) => makeData({ type, ...joined(values), ...nulls(values) }) };
}

/** TIMESTAMP is a moment, DATETIME one of no time zone. */
function moments(timezone: string | null): Wire {
  const type = new TimestampMicrosecond(timezone);
  return {
    type,
    sql: (value) => `epoch_us(${value})`,
    data: (values) => makeData({ type, data: integers(values), ...nulls(values) }),
  };
}

const integers = (values: readonly DuckDBValue[]): BigInt64Array =>
  BigInt64Array.from(values, (value) => (typeof value === 'bigint' ? value : 0n));

const NOTHING = new Uint8Array();

/** Values of any length, one behind the other. */
function joined(values: readonly DuckDBValue[]): { valueOffsets: Int32Array; data: Uint8Array } {
  const parts = values.map((value) => (value instanceof DuckDBBlobValue ? value.bytes : NOTHING));
  return { valueOffsets: offsets(parts), data: Buffer.concat(parts) };
}

function list(item: Wire): Wire {
  // REPEATED columns have no NULL in them, and an empty list for none.
  const type = new List(new Field('item', item.type, false));
  const data = (values: readonly DuckDBValue[]): Data => {
    const parts = values.map((value) => (value instanceof DuckDBListValue ? value.items : []));
    return makeData({
      type,
      length: values.length,
      nullCount: 0,
      valueOffsets: offsets(parts),
      child: item.data(parts.flat()),
    });
  };
  return {
    type,
    sql: (value) => `list_transform(coalesce(${value}, []), lambda x: ${item.sql('x')})`,
    data,
  };
}

/** What DuckDB keeps a NUMERIC as, the number of units, as two's complement in 128 bits, the lower half first. */
function decimals(values: readonly DuckDBValue[]): Data {
  const halves = new BigUint64Array(2 * values.length);
  for (const [at, value] of values.entries()) {
    if (!(value instanceof DuckDBDecimalValue)) continue;
    halves[2 * at] = BigInt.asUintN(64, value.value);
    halves[2 * at + 1] = BigInt.asUintN(64, value.value >> 64n);
  }
  const type = new Decimal(NUMERIC_SCALE, NUMERIC_PRECISION);
  return makeData({ type, data: new Uint32Array(halves.buffer), ...nulls(values) });
}

function offsets(parts: readonly { length: number }[]): Int32Array {
  const ends = new Int32Array(parts.length + 1);
  for (const [at, { length }] of parts.entries()) ends[at + 1] = (ends[at] ?? 0) + length;
  return ends;
}

/** One bit a value, the lowest of a byte first. */
function bitmap(values: readonly DuckDBValue[], set: (value: DuckDBValue) => boolean): Uint8Array {
  const bits = new Uint8Array((values.length + 7) >> 3);
  for (const [at, value] of values.entries()) {
    if (set(value)) bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
  }
  return bits;
}

function nulls(values: readonly DuckDBValue[]) {
  const nullCount = values.reduce<number>((count, value) => (value === null ? count + 1 : count), 0);
  return { length: values.length, nullCount, nullBitmap: bitmap(values, (value) => value !== null) };
}

/** The columns of a session: what to select, and how its rows are written. */
export class ArrowColumns {
  readonly #schema: Schema;
  readonly #wires: readonly Wire[];
  /** The SELECT list. */
  readonly sql: string;

  constructor(columns: readonly SchemaField[]) {
    this.#wires = columns.map(({ duckdb }) => wireOf(duckdb));
    this.#schema = new Schema(
      columns.map(({ name, mode }, at) => {
        const { type } = this.#wire(at);
        return new Field(name, type, mode === 'NULLABLE' && !(type instanceof List));
      }),
    );
    this.sql = columns.map(({ name }, at) => this.#wire(at).sql(quote(name))).join(', ');
  }

  #wire(at: number): Wire {
    const wire = this.#wires[at];
    if (wire) return wire;
    throw new RangeError(`no column ${at}`);
  }

  /** The schema as an encapsulated message. */
  schema(): Uint8Array {
    const stream = tableToIPC(new Table(this.#schema, []), 'stream');
    return stream.subarray(0, messageLength(stream));
  }

  /** The rows of some chunks as one record batch in an encapsulated message. */
  batch(chunks: readonly DuckDBDataChunk[]): Uint8Array {
    const length = chunks.reduce((count, { rowCount }) => count + rowCount, 0);
    const children = this.#wires.map((wire, at) =>
      wire.data(chunks.flatMap((chunk) => chunk.getColumnValues(at))),
    );
    const struct = makeData({ type: new Struct(this.#schema.fields), length, nullCount: 0, children });
    const stream = tableToIPC(new Table([new RecordBatch(this.#schema, struct)]), 'stream');
    return stream.subarray(messageLength(stream), stream.length - END_OF_STREAM_BYTES);
  }
}

/** "Encapsulated message format" of https://arrow.apache.org/docs/format/Columnar.html: two words, then metadata. */
const PREFIX_BYTES = 8;
const END_OF_STREAM_BYTES = 8;

/** The length of the schema's message, which has no body, at the beginning of a stream. */
const messageLength = (stream: Uint8Array): number =>
  PREFIX_BYTES + new DataView(stream.buffer, stream.byteOffset).getInt32(4, true);
