import type { Deployment } from '../deployment.ts';
import type { IdType } from '../settings/choices.ts';
import type { ParamType } from './statement.ts';

/** What these need of a stack. */
type IdStack = Pick<Deployment, 'idType'>;

/**
 * An id as text, the AAD of every sealed value: each type of id is one that casts to STRING and back to the same value.
 * A TIMESTAMP is written in UTC, whatever the time zone of the session: where a query sets `@@time_zone`, CAST would
 * write it otherwise, and no value would open. The one place that says so; jobs/spark/reseal/row_ids.py is its twin.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_functions#cast_as_string
 *
 * @example
 * idText({ idType: 'INT64' }, '`id`'); // 'CAST(`id` AS STRING)'
 */
export const idText = ({ idType }: IdStack, id: string): string =>
  idType === 'TIMESTAMP' ? `STRING(${id}, 'UTC')` : `CAST(${id} AS STRING)`;

/**
 * An id in a result, as what comes over REST is its text: INT64 and STRING are so as they are.
 *
 * @example
 * shownId({ idType: 'DATE' }, 'r.id'); // 'CAST(r.id AS STRING)'
 */
export const shownId = (d: IdStack, id: string): string =>
  d.idType === 'INT64' || d.idType === 'STRING' ? id : idText(d, id);

/** The id cut-off of a run over INT64 ids without a row limit: the largest INT64. */
export const NO_CUTOFF = '9223372036854775807';
/** The lowest id of such a run that begins at the beginning: the smallest INT64. */
export const NO_FLOOR = '-9223372036854775808';

/**
 * The type of the bounds between which a run takes ids, as parameters, variables and in the ledger. INT64 ids have the
 * lowest and the highest id as they are. Other types have no highest value to stand for no limit, so theirs are texts:
 * `>abc` and `<=abc`, or empty.
 *
 * @example
 * boundType({ idType: 'DATE' }); // 'STRING'
 */
export const boundType = ({ idType }: IdStack): Extract<ParamType, 'INT64' | 'STRING'> =>
  idType === 'INT64' ? 'INT64' : 'STRING';

/** The bounds of a run, as parameters have them. */
export interface IdBounds<T = string> {
  readonly id_from: T;
  readonly id_cutoff: T;
}

/**
 * The bounds that leave no id out.
 *
 * @example
 * await bigquery.query(sql.count, { mode: 'pending', snapshot_millis, ...allIds(deployment), keyset_version: 1, ...WHOLE });
 */
export const allIds = (d: IdStack): IdBounds =>
  boundType(d) === 'INT64' ? { id_from: NO_FLOOR, id_cutoff: NO_CUTOFF } : { id_from: '', id_cutoff: '' };

const GIVEN_BOUNDS: IdBounds = { id_from: '@id_from', id_cutoff: '@id_cutoff' };

/**
 * Whether an id is between the bounds of a run; `bounds` are expressions. NULL, which a table of the application's own
 * may have for an id, is between none: nothing would tell such rows apart, and no value can be bound to one.
 *
 * @example
 * withinIds({ idType: 'INT64' }, '`id`'); // '`id` BETWEEN @id_from AND @id_cutoff'
 */
export function withinIds({ idType }: IdStack, id: string, bounds = GIVEN_BOUNDS): string {
  const { id_from: from, id_cutoff: cutoff } = bounds;
  if (idType === 'INT64') return `${id} BETWEEN ${from} AND ${cutoff}`;
  return `${id} IS NOT NULL AND (${from} = '' OR ${id} > ${bound(idType, `SUBSTR(${from}, 2)`)}) AND (${cutoff} = '' OR ${id} <= ${bound(idType, `SUBSTR(${cutoff}, 3)`)})`;
}

/** The id that a bound names; of an empty one nothing, which must not fail. */
const bound = (idType: IdType, text: string): string =>
  idType === 'STRING' ? text : `SAFE_CAST(${text} AS ${idType})`;

/**
 * The bound that lets ids in up to one; NULL for NULL.
 *
 * @example
 * upTo({ idType: 'DATE' }, 'MAX(id)'); // "CONCAT('<=', CAST(MAX(id) AS STRING))"
 */
export const upTo = (d: IdStack, id: string): string =>
  boundType(d) === 'INT64' ? id : `CONCAT('<=', ${idText(d, id)})`;

/**
 * The bound that begins behind another run's cut-off, and whether there is anything behind that.
 *
 * @example
 * `SELECT ${behind(deployment, 'id_cutoff').from} FROM runs WHERE ${behind(deployment, 'id_cutoff').exists}`
 */
export const behind = (d: IdStack, cutoff: string): { readonly from: string; readonly exists: string } =>
  boundType(d) === 'INT64'
    ? { from: `${cutoff} + 1`, exists: `${cutoff} < ${NO_CUTOFF}` }
    : { from: `CONCAT('>', SUBSTR(${cutoff}, 3))`, exists: `${cutoff} != ''` };

/**
 * Whether an id is one of those that @ids names: a JSON array of their texts, which may hold any character.
 *
 * @example
 * isNamed({ idType: 'INT64' }, '`id`'); // 'CAST(`id` AS STRING) IN UNNEST(JSON_VALUE_ARRAY(@ids))'
 */
export const isNamed = (d: IdStack, id: string): string =>
  `${idText(d, id)} IN UNNEST(JSON_VALUE_ARRAY(@ids))`;
