import type { Deployment } from '../deployment.ts';
import type { Field } from '../fields.ts';
import { everyPartition } from './partitions.ts';
import { rewrappableIds, rewraps } from './rewrap-row-keysets.ts';
import { behind, idText, shownId, upTo, withinIds } from './row-ids.ts';
import { SELECTION, typed } from './selection.ts';
import { literal, quoted, type Statement, shredded, statement, table, token } from './statement.ts';

/** Which values a run takes. */
export const MODES = ['pending', 'rejected', 'stale', 'all'] as const;
export type Mode = (typeof MODES)[number];

/**
 * Whether a value belongs to a wave, the @wave-th of @waves from 0: by the SHA-256 of its data key, so that each key is
 * in one wave and waves are of one size but for chance. In the `tink-envelope` format the data key stands inside the
 * cipher text, and there the cipher text decides. Spark has the same: jobs/spark/reseal/selection.py.
 */
const inWave = (d: Deployment, cipherText: string, dek: string): string =>
  `(@waves = 1 OR MOD(CAST(CONCAT('0x', SUBSTR(TO_HEX(SHA256(${d.sourceFormat === 'tink-envelope' ? cipherText : `IFNULL(${dek}, '')`})), 1, 8)) AS INT64), @waves) = @wave)`;

/**
 * The values to re-encrypt, as of the run's snapshot:
 * - `pending`: never sealed, or changed since. A value that was rejected as it stands is left alone while `rests` holds,
 *   unless another source was sealed in its place since: what was made of that must not stay readable.
 * - `rejected`: rejected as it stands, and still not sealed.
 * - `stale`: sealed as it stands, but not by a run that had @keyset_version, the stack's keying and its source format.
 *   In row keying a value that is stale by the version alone is not selected: the merge seals its row keyset anew.
 *   Merge and ledger note the same moment, so a row says by `resealed_at` which run sealed it. The moment of a run
 *   never changes once a row carries it: the ledger need not be read as of the snapshot.
 * - `all`: every value.
 * No mode takes a value that was shredded. Both tables are read as of the snapshot, so that a run selects the same
 * values however often it asks, whatever other runs do meanwhile.
 *
 * @example
 * `SELECT COUNT(*) AS n FROM (${selectedValues(deployment)})`
 */
export function selectedValues(d: Deployment): string {
  return d.fields.map((field) => selectedOf(d, field)).join('\nUNION ALL\n');
}

/** The filter of a query that has no other condition. */
const whole = (d: Deployment): string =>
  d.partitionColumn === null ? '' : ` WHERE ${everyPartition(d)}TRUE`;

/** Behind a table's name: as it was at the run's moment. */
export const AS_OF_SNAPSHOT = 'FOR SYSTEM_TIME AS OF TIMESTAMP_MILLIS(@snapshot_millis)';

function selectedOf(d: Deployment, field: Field): string {
  const [id, cipherText, dek] = [d.idColumn, field.cipherText, field.dek].map(quoted) as [
    string,
    string,
    string,
  ];
  return `SELECT u.id AS id, ${literal(field.name)} AS field, u.cipher_text AS cipher_text, u.dek AS dek, u.token AS token
FROM (
  SELECT ${id} AS id, ${cipherText} AS cipher_text, ${dek} AS dek, ${quoted(field.resealedFrom)} AS resealed_from,
    ${quoted(field.resealedAt)} AS resealed_at, ${token(cipherText, dek)} AS token
  FROM ${table(d, 'source')} ${AS_OF_SNAPSHOT}
  WHERE ${everyPartition(d)}${cipherText} IS NOT NULL AND ${withinIds(d, id)} AND NOT ${shredded(field)}
    AND ${inWave(d, cipherText, dek)}
) AS u
LEFT JOIN (
  SELECT id, rejected_from, COUNTIF(${rests(d, field)}) > 0 AS rests
  FROM ${table(d, 'rejected')} ${AS_OF_SNAPSHOT}
  WHERE field = ${literal(field.name)} AND source_format = ${literal(d.sourceFormat)}
  GROUP BY id, rejected_from
) AS rejection
ON rejection.id = u.id AND rejection.rejected_from = u.token
LEFT JOIN (
  SELECT DISTINCT resealed_at FROM ${table(d, 'runs')}
  WHERE keyset_version ${rewraps(d) ? '<=' : '='} @keyset_version AND keying = ${literal(d.keying)} AND source_format = ${literal(d.sourceFormat)}
) AS fresh
ON fresh.resealed_at = u.resealed_at
WHERE CASE @mode
  WHEN 'all' THEN TRUE
  WHEN 'stale' THEN u.resealed_from = u.token AND fresh.resealed_at IS NULL
  WHEN 'rejected' THEN rejection.id IS NOT NULL AND (u.resealed_from IS NULL OR u.resealed_from != u.token)
  ELSE IF(u.resealed_from IS NULL, NOT IFNULL(rejection.rests, FALSE), u.resealed_from != u.token)
END`;
}

/**
 * Whether a rejection is final for the format that the value was read as: not where a setting may have hidden the
 * value, which a wrong KEK, a stack that took no values without a tag, or another pattern did.
 */
function rests(d: Deployment, { valuePattern }: Field): string {
  const anyTag = d.unauthenticated === 'accept' ? " AND reason != 'unauthenticated'" : '';
  const samePattern = valuePattern === null ? '' : ` OR value_pattern = ${literal(valuePattern)}`;
  return `reason != 'dek-refused'${anyTag} AND (reason != 'value-pattern'${samePattern})`;
}

/**
 * Whether a field's value can be erased: its source is NULL now, and what was made of an earlier source still
 * stands. A shredded value keeps its mark, but not its plaintext.
 *
 * @example
 * `SELECT COUNTIF(${erasable(field)}) AS n FROM ${table(deployment, 'source')}`
 */
export const erasable = (field: Field, alias = ''): string => {
  const column = (name: string): string => alias + quoted(name);
  return `${column(field.cipherText)} IS NULL AND (${column(field.plaintext)} IS NOT NULL OR ${column(field.sealed)} IS NOT NULL AND ${column(field.key)} IS NOT NULL)`;
};

/**
 * The moment as of which the run selects and reads; milliseconds, which is what the Spark connector takes.
 *
 * @example
 * await bigquery.query(sql.clock, {}); // [{ snapshot_millis: '1767323045000' }]
 */
export const clock = (): Statement<never> =>
  statement('clock', {}, 'SELECT UNIX_MILLIS(CURRENT_TIMESTAMP()) AS snapshot_millis');

/**
 * Where a run with a row limit begins: behind the last id of the run before it, of the same mode and with a limit, too.
 * So a series of such runs goes through the table, also where a mode selects what the last run has taken already. No
 * row where there was no such run, or where it has come to the end: then the next begins at the lowest id again.
 *
 * @example
 * await bigquery.query(sql.firstId, { mode: 'pending' }); // [{ id_from: '1001' }], or none
 */
export const firstId = (d: Deployment): Statement<'mode'> =>
  statement(
    'id_from',
    { mode: 'STRING' },
    `SELECT ${behind(d, 'id_cutoff').from} AS id_from
FROM (
  SELECT id_cutoff FROM ${table(d, 'runs')}
  WHERE state = 'succeeded' AND mode = @mode AND row_limit IS NOT NULL
  ORDER BY ended_at DESC LIMIT 1
)
WHERE ${behind(d, 'id_cutoff').exists}`,
  );

/**
 * How many rows the source table has, with its lowest and its highest id as text, NULL where there is none.
 *
 * @example
 * await bigquery.query(sql.sourceRows, {}); // [{ n: '1000', first: '1', last: '1000' }]
 */
export const sourceRows = (d: Deployment): Statement<never> =>
  statement(
    'source_rows',
    {},
    `SELECT n, ${idText(d, 'lowest')} AS first, ${idText(d, 'highest')} AS last
FROM (
  SELECT COUNT(*) AS n, MIN(${quoted(d.idColumn)}) AS lowest, MAX(${quoted(d.idColumn)}) AS highest
  FROM ${table(d, 'source')}${whole(d)}
)`,
  );

/**
 * How many rows have a value and no id: no run takes them. Only a table of the application's own can have any, where its
 * column of ids is NULLABLE.
 *
 * @example
 * await bigquery.query(sql.rowsWithoutId, {}); // [{ n: '0' }]
 */
export const rowsWithoutId = (d: Deployment): Statement<never> =>
  statement(
    'rows_without_id',
    {},
    `SELECT COUNT(*) AS n FROM ${table(d, 'source')}
WHERE ${everyPartition(d)}${quoted(d.idColumn)} IS NULL AND (${d.fields.map(({ cipherText }) => `${quoted(cipherText)} IS NOT NULL`).join(' OR ')})`,
  );

/** The ids of selected values, and of those whose row keyset the merge seals anew. */
const takenIds = (d: Deployment): string =>
  rewraps(d) ? `SELECT id FROM (${selectedValues(d)})\nUNION ALL\n${rewrappableIds(d)}` : selectedValues(d);

/**
 * The id of the @row_limit-th selected row, counted from the smallest; NULL where nothing is selected.
 *
 * @example
 * const selection = { mode: 'pending', snapshot_millis: '1767323045000', ...allIds(d), keyset_version: 1, ...WHOLE };
 * await bigquery.query(sql.cutoff, { ...selection, row_limit: 100 }); // [{ id_cutoff: '100' }]
 */
export const cutoff = (d: Deployment): Statement<keyof typeof SELECTION | 'row_limit'> =>
  statement(
    'cutoff',
    { ...typed(d, SELECTION), row_limit: 'INT64' },
    `SELECT ${upTo(d, 'id')} AS id_cutoff
FROM (SELECT MAX(id) AS id FROM (SELECT DISTINCT id FROM (${takenIds(d)}) ORDER BY id LIMIT @row_limit))`,
  );

/** A value of AES-CBC by the length of its IV: 16 bytes are 24 characters of base64, and then comes the dot. */
const LOOKS_UNAUTHENTICATED = `COUNTIF(cipher_text LIKE '${'_'.repeat(24)}.%')`;

/**
 * How much there is to do, how many of the values seem to have no tag, and how many values there are to
 * erase. In the `tink-envelope` format the data key stands inside the cipher text, a fresh one each time, so the cipher
 * texts are counted: an upper bound.
 *
 * @example
 * const [row] = await bigquery.query(sql.count, selection);
 * // { selected: '1000', distinct_deks: '100', unauthenticated: '0', erasable: '0' }
 */
export const count = (d: Deployment): Statement<keyof typeof SELECTION> =>
  statement(
    'plan',
    typed(d, SELECTION),
    `SELECT COUNT(*) AS selected, COUNT(DISTINCT ${d.sourceFormat === 'tink-envelope' ? 'cipher_text' : 'dek'}) AS distinct_deks,
  ${d.sourceFormat === 'dotted' ? LOOKS_UNAUTHENTICATED : '0'} AS unauthenticated,
  (SELECT ${d.fields.map((field) => `COUNTIF(${erasable(field)})`).join(' + ')} FROM ${table(d, 'source')} ${AS_OF_SNAPSHOT}${whole(d)}) AS erasable
FROM (${selectedValues(d)})`,
  );

/**
 * A few of the selected values, for a check of the stack's settings.
 *
 * @example
 * await bigquery.query(sql.sample, { ...selection, row_limit: 5 }); // [{ field: 'email', cipher_text, dek }, …]
 */
export const sample = (d: Deployment): Statement<keyof typeof SELECTION | 'row_limit'> =>
  statement(
    'sample',
    { ...typed(d, SELECTION), row_limit: 'INT64' },
    `SELECT field, cipher_text, dek FROM (${selectedValues(d)}) LIMIT @row_limit`,
  );

/**
 * The values themselves, for the direct engine. Rows of one data key follow each other, so that a bounded
 * cache of keys never unwraps one twice.
 *
 * @example
 * for await (const page of bigquery.pages(sql.values, selection)) await seal(page);
 */
export const values = (d: Deployment): Statement<keyof typeof SELECTION> =>
  statement(
    'read',
    typed(d, SELECTION),
    `SELECT ${shownId(d, 'id')} AS id, field, cipher_text, dek, token FROM (${selectedValues(d)}) ORDER BY dek, id`,
  );
