import type { Job } from '@google-cloud/bigquery';

/** A value of a result as JSON has it. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** What the client library has classes for, as far as they differ in how they are written. */
interface Written {
  /** Of BigQueryDate, BigQueryDatetime, BigQueryTime, BigQueryTimestamp and Geography. */
  readonly value?: unknown;
  /** Of BigQueryRange, as `[2026-01-01, UNBOUNDED)`. */
  readonly apiValue?: string;
  /** Of Big, which NUMERIC and BIGNUMERIC are: all of its digits, without an exponent. */
  toFixed?(): string;
}

/**
 * A value that the client library made of a cell, as JSON has it: BYTES in base64, moments in ISO 8601, NUMERIC as
 * decimal text. So are the FLOAT64 that JSON has no number for: `NaN`, `Infinity`.
 *
 * @example
 * jsonValue([new BigQueryTimestamp('2026-01-02T03:04:05Z')]); // ['2026-01-02T03:04:05.000Z']
 */
export function jsonValue(value: unknown): JsonValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (Array.isArray(value)) return value.map(jsonValue);
  if (Object.getPrototypeOf(value) === Object.prototype)
    return Object.fromEntries(Object.entries(value as object).map(([name, part]) => [name, jsonValue(part)]));
  const written = value as Written;
  const text = String(written.toFixed?.() ?? written.apiValue ?? written.value);
  return text.replace(NANOSECONDS, '$1Z');
}

/** The library writes moments to the nanosecond, of which BigQuery keeps microseconds. */
const NANOSECONDS = /(:\d\d\.\d{6})000Z/g;

/** A page of a result in the types of JSON, by column name. */
export interface JsonPage {
  readonly names: readonly string[];
  readonly rows: readonly Readonly<Record<string, JsonValue>>[];
}

/**
 * A page of a job's result, its cells read by their types. INT64 is a number, or text where a number would round it.
 * https://googleapis.dev/nodejs/bigquery/latest/Job.html#getQueryResults
 *
 * @param pageToken of the page; undefined for the first
 */
export async function jsonPage(
  job: Job,
  maxResults: number,
  pageToken: string | undefined,
): Promise<{ readonly rows: JsonPage['rows']; readonly pageToken?: string }> {
  const [rows, , answer] = await job.getQueryResults({
    autoPaginate: false,
    maxResults,
    wrapIntegers: { integerTypeCastFunction: unrounded },
    parseJSON: true,
    ...(pageToken === undefined ? {} : { pageToken }),
  });
  const next = answer?.pageToken;
  return {
    rows: rows.map((row) => jsonValue(row) as JsonPage['rows'][number]),
    ...(next && { pageToken: next }),
  };
}

const unrounded = (text: string): number | string =>
  Number.isSafeInteger(Number(text)) ? Number(text) : text;
