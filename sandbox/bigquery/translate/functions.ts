import { invalidQuery } from '../../errors/google-error.ts';
import { MARK } from '../duckdb/mark.ts';

/** How a call is written for DuckDB; `args` are already rewritten. */
type Writer = (args: string[], name: string) => string;

const call =
  (name: string): Writer =>
  (args) =>
    `${name}(${args.join(', ')})`;

/** Same name, same meaning in DuckDB. */
const same = (...names: string[]): [string, Writer][] =>
  names.map((name) => [name, call(name.toLowerCase())]);

const anyNull = (args: string[]): string => args.map((arg) => `(${arg}) IS NULL`).join(' OR ');

/** GREATEST and LEAST are NULL as soon as one argument is; DuckDB's skip it. */
const extreme =
  (name: string): Writer =>
  (args) =>
    `CASE WHEN ${anyNull(args)} THEN NULL ELSE ${name}(${args.join(', ')}) END`;

const micros = (factor: number, arg: string | undefined): string =>
  `make_timestamptz(CAST((${arg}) AS BIGINT) * ${factor})`;

/** https://cloud.google.com/bigquery/docs/reference/standard-sql/functions-all: those that the sandbox has. */
const FUNCTIONS: ReadonlyMap<string, Writer> = new Map<string, Writer>([
  ...same(
    'COUNT',
    'SUM',
    'AVG',
    'MIN',
    'MAX',
    'ANY_VALUE',
    'STRING_AGG',
    'ARRAY_AGG',
    'APPROX_COUNT_DISTINCT',
  ),
  ...same('STDDEV', 'VARIANCE', 'BIT_XOR', 'BIT_AND', 'BIT_OR', 'COALESCE', 'NULLIF', 'IFNULL'),
  ...same('ROW_NUMBER', 'RANK', 'DENSE_RANK', 'PERCENT_RANK', 'CUME_DIST', 'NTILE', 'LAG', 'LEAD'),
  ...same('FIRST_VALUE', 'LAST_VALUE', 'NTH_VALUE'),
  ...same('LOWER', 'UPPER', 'TRIM', 'LTRIM', 'RTRIM', 'REPLACE', 'REVERSE', 'REPEAT', 'LPAD', 'RPAD', 'LEFT'),
  ...same('RIGHT', 'STARTS_WITH', 'ENDS_WITH', 'STRPOS', 'ASCII', 'CHR', 'TRANSLATE'),
  ...same('ABS', 'SIGN', 'ROUND', 'FLOOR', 'CEIL', 'CEILING', 'TRUNC', 'SQRT', 'POW', 'POWER', 'EXP', 'LN'),
  ...same('MOD', 'ARRAY_LENGTH'),
  // DuckDB's count_if is NULL where there is nothing to count.
  ['COUNTIF', ([test]) => `count(CASE WHEN ${test} THEN 1 END)`],
  ['LOGICAL_AND', call('bool_and')],
  ['LOGICAL_OR', call('bool_or')],
  ['DIV', ([a, b]) => `((${a}) // (${b}))`],
  ['LOG10', call('log10')],
  ['RAND', () => 'random()'],
  ['GENERATE_UUID', () => 'CAST(uuid() AS VARCHAR)'],
  ['GENERATE_ARRAY', call('generate_series')],
  ['IF', ([test, yes, no]) => `CASE WHEN ${test} THEN ${yes} ELSE ${no} END`],
  // CONCAT with a NULL is NULL; DuckDB's skips it.
  ['CONCAT', (args) => `(${args.map((arg) => `(${arg})`).join(' || ')})`],
  ['SPLIT', ([text, by = "','"]) => `string_split(${text}, ${by})`],
  ['GREATEST', extreme('greatest')],
  ['LEAST', extreme('least')],
  ['SAFE_DIVIDE', call('bq_safe_divide')],
  ['LENGTH', call('bq_length')],
  ['CHAR_LENGTH', call('length')],
  ['CHARACTER_LENGTH', call('length')],
  ['BYTE_LENGTH', call('bq_byte_length')],
  ['OCTET_LENGTH', call('bq_byte_length')],
  ['SUBSTR', call('bq_substr')],
  ['SUBSTRING', call('bq_substr')],
  ['REGEXP_CONTAINS', call('regexp_matches')],
  ['REGEXP_EXTRACT_ALL', call('regexp_extract_all')],
  ['REGEXP_EXTRACT', ([value, pattern]) => `nullif(regexp_extract(${value}, ${pattern}), '')`],
  ['REGEXP_REPLACE', (args) => `regexp_replace(${args.join(', ')}, 'g')`],
  ['SHA256', call('bq_sha256')],
  ['SHA1', call('bq_sha1')],
  ['MD5', call('bq_md5')],
  ['TO_HEX', call('bq_hex')],
  ['FROM_HEX', call('unhex')],
  ['TO_BASE64', call('to_base64')],
  ['FROM_BASE64', call('from_base64')],
  ['SAFE_CONVERT_BYTES_TO_STRING', call('bq_safe_utf8')],
  ['TO_JSON_STRING', ([value]) => `CAST(to_json(${value}) AS VARCHAR)`],
  ['JSON_VALUE', call('json_extract_string')],
  ['JSON_VALUE_ARRAY', ([value]) => `json_extract_string(${value}, '$[*]')`],
  ['STRING', utcText],
  ['TIMESTAMP', ([value]) => `CAST((${value}) AS TIMESTAMPTZ)`],
  ['DATE', ([value]) => `CAST(bq_utc(${value}) AS DATE)`],
  ['TIMESTAMP_SECONDS', ([value]) => micros(1_000_000, value)],
  ['TIMESTAMP_MILLIS', ([value]) => micros(1000, value)],
  ['TIMESTAMP_MICROS', ([value]) => micros(1, value)],
  ['UNIX_SECONDS', ([value]) => `CAST(floor(epoch_us(${value}) / 1000000) AS BIGINT)`],
  ['UNIX_MILLIS', ([value]) => `CAST(floor(epoch_us(${value}) / 1000) AS BIGINT)`],
  ['UNIX_MICROS', call('epoch_us')],
  // The mark tells ERROR()'s message, which is meant to be read, from DuckDB's, which may hold a value.
  ['ERROR', ([message]) => `error('${MARK}' || CAST((${message}) AS VARCHAR))`],
]);

/** STRING of a moment, in the one time zone that is needed. */
function utcText([value, zone]: readonly string[]): string {
  if (zone === "'UTC'") return `bq_string(CAST((${value}) AS TIMESTAMPTZ))`;
  throw invalidQuery("The sandbox has STRING(timestamp, 'UTC') alone");
}

/** Functions with a keyword for an argument: TIMESTAMP_TRUNC(t, DAY). */
export const PART_FUNCTIONS: ReadonlyMap<string, (args: string[], part: string) => string> = new Map([
  ['TIMESTAMP_TRUNC', ([value]: string[], part: string) => `date_trunc('${unit(part)}', ${value})`],
  ['DATE_TRUNC', ([value]: string[], part: string) => `CAST(date_trunc('${unit(part)}', ${value}) AS DATE)`],
  ['TIMESTAMP_DIFF', ([a, b]: string[], part: string) => `date_sub('${unit(part)}', ${b}, ${a})`],
  ['DATE_DIFF', ([a, b]: string[], part: string) => `date_diff('${unit(part)}', ${b}, ${a})`],
]);

/** TIMESTAMP_ADD(t, INTERVAL n UNIT) and its kin. */
export const INTERVAL_FUNCTIONS: ReadonlyMap<string, '+' | '-'> = new Map([
  ['TIMESTAMP_ADD', '+'],
  ['TIMESTAMP_SUB', '-'],
  ['DATE_ADD', '+'],
  ['DATE_SUB', '-'],
]);

const UNITS = [
  'MICROSECOND',
  'MILLISECOND',
  'SECOND',
  'MINUTE',
  'HOUR',
  'DAY',
  'WEEK',
  'MONTH',
  'QUARTER',
  'YEAR',
];

/** DuckDB's name of a date part. */
export function unit(part: string): string {
  if (UNITS.includes(part.toUpperCase())) return part.toLowerCase();
  throw invalidQuery(
    `A valid date part is required, but found ${part} (the sandbox has ${UNITS.join(', ')})`,
  );
}

/** A length of time in DuckDB. */
export const interval = (count: string, part: string): string =>
  `to_${unit(part)}s(CAST((${count}) AS ${/^(microsecond|millisecond|second)$/i.test(part) ? 'BIGINT' : 'INTEGER'}))`;

const STRFTIME: Record<string, string> = {
  '%F': '%Y-%m-%d',
  '%T': '%H:%M:%S',
  '%E3S': '%S.%g',
  '%E6S': '%S.%f',
};

/** A format of FORMAT_TIMESTAMP in DuckDB's letters. */
export function strftime(format: string): string {
  return format.replace(/%(E\d?[A-Za-z*]?|.)/g, (element) => {
    const found = STRFTIME[element] ?? (/^%[YmdHMSjpyBbAaIZ%]$/.test(element) ? element : undefined);
    if (found === undefined) throw invalidQuery(`The sandbox has no format element ${element}`);
    return found;
  });
}

/** The call of a function in DuckDB. @throws GoogleError for one that the sandbox has not. */
export function writeCall(name: string, args: string[]): string {
  const writer = FUNCTIONS.get(name);
  if (!writer) throw invalidQuery(`Function not found: ${name} (the sandbox has no such function)`);
  return writer(args, name);
}

/** The functions that the sandbox has under SAFE. */
const SAFE_CALLS: readonly string[] = ['FROM_BASE64', 'FROM_HEX', 'SUBSTR', 'SUBSTRING'];

/**
 * A call, written already, that is NULL where it would fail.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/functions-reference#safe_prefix
 *
 * @throws GoogleError for a function that the sandbox does not have under SAFE
 */
export function writeSafeCall(name: string, written: string): string {
  if (SAFE_CALLS.includes(name)) return `TRY(${written})`;
  throw invalidQuery(`Function not found: SAFE.${name} (the sandbox has no such function)`);
}
