import type { Deployment } from '../deployment.ts';
import type { Field } from '../fields.ts';
import { declareVersion, VERSION } from './keyset-versions.ts';
import { everyPartition } from './partitions.ts';
import { boundType, type IdBounds, idText, withinIds } from './row-ids.ts';
import { CHOSEN, typed } from './selection.ts';
import {
  CHAIN,
  type Chain,
  GIVEN,
  keysetChain,
  literal,
  quoted,
  type Statement,
  statement,
  table,
  token,
} from './statement.ts';

/**
 * Whether the mode `stale` seals row keysets anew instead of values: in row keying the first-level keyset seals nothing
 * else. A jar's keysets are its owner's affair.
 *
 * @example
 * rewraps(deployment); // true in row keying
 */
export const rewraps = ({ keying, batch }: Pick<Deployment, 'keying' | 'batch'>): boolean =>
  keying === 'row' && batch.jarFile === null;

/**
 * Whether a field's value is stale by the version of the first-level keyset alone: sealed as it stands, in row keying
 * and from the stack's format, by a run that had an older version.
 */
function staleByVersion(d: Deployment, field: Field, version: string): string {
  const [sealed, key, from, at] = [field.sealed, field.key, field.resealedFrom, field.resealedAt].map(quoted);
  return `${sealed} IS NOT NULL AND ${key} IS NOT NULL AND ${from} = ${token(quoted(field.cipherText), quoted(field.dek))}
  AND ${at} IN (SELECT resealed_at FROM ${table(d, 'runs')} WHERE keyset_version < ${version} AND keying = 'row' AND source_format = ${literal(d.sourceFormat)})`;
}

/**
 * The ids of rows with such a value, once for each of their fields, as of the run's snapshot; none in other modes.
 *
 * @example
 * `SELECT COUNT(*) AS n FROM (${rewrappableIds(deployment)})`
 */
export const rewrappableIds = (d: Deployment): string =>
  d.fields
    .map(
      (field) => `SELECT ${quoted(d.idColumn)} AS id
FROM ${table(d, 'source')} FOR SYSTEM_TIME AS OF TIMESTAMP_MILLIS(@snapshot_millis)
WHERE ${everyPartition(d)}@mode = 'stale' AND ${withinIds(d, quoted(d.idColumn))} AND ${staleByVersion(d, field, '@keyset_version')}`,
    )
    .join('\nUNION ALL\n');

/**
 * How many row keysets a run will seal anew.
 *
 * @example
 * await bigquery.query(sql.countRewrappable, selection); // [{ rewrappable: '1000' }]
 */
export const countRewrappable = (d: Deployment): Statement<keyof typeof CHOSEN> =>
  statement(
    'rewrappable',
    typed(d, CHOSEN),
    `SELECT COUNT(*) AS rewrappable
FROM (${rewrappableIds(d)})`,
  );

/** What the statement goes by, as expressions: variables of the merge's script, or parameters. */
interface Bounds {
  /** The moment that changed rows carry. */
  readonly time: string;
  readonly chain: Chain;
  readonly version: string;
  readonly ids: IdBounds;
}

/**
 * Seals the row keysets of a field anew under the newest version, all of them in one statement inside BigQuery: no value
 * is decrypted, no data key unwrapped. It is an UPDATE, which sees and changes a row in one: a row keyset that another
 * statement changes meanwhile has the two conflict, and is never overwritten. One that does not open is left as it is,
 * since NULL in its place would shred the value.
 */
function rewrapRowKeysets(d: Deployment, field: Field, bounds: Bounds): string {
  const [id, key] = [d.idColumn, field.key].map(quoted) as [string, string];
  const aad = `CAST(${idText(d, id)} AS BYTES)`;
  const chain = keysetChain(bounds.chain);
  const opened = `SAFE.AEAD.DECRYPT_BYTES(${chain}, ${key}, ${aad})`;
  return `UPDATE ${table(d, 'source')} SET
  ${key} = IFNULL(AEAD.ENCRYPT(${chain}, ${opened}, ${aad}), ${key}),
  ${quoted(field.resealedAt)} = ${bounds.time}
WHERE ${everyPartition(d)}${withinIds(d, id, bounds.ids)} AND ${staleByVersion(d, field, bounds.version)}
  AND ${opened} IS NOT NULL`;
}

/**
 * What the merge declares for it.
 *
 * @example
 * declareRewrap(deployment); // 'DECLARE reseal_mode STRING DEFAULT …'
 */
export function declareRewrap(d: Deployment): string {
  const planned = (column: string): string =>
    `(SELECT ${column} FROM ${table(d, 'runs')} WHERE run_id = @run_id)`;
  return `DECLARE reseal_rewrapped INT64 DEFAULT 0;
DECLARE reseal_mode STRING DEFAULT ${planned('mode')};
DECLARE reseal_id_from ${boundType(d)} DEFAULT ${planned('id_from')};
DECLARE reseal_id_cutoff ${boundType(d)} DEFAULT ${planned('id_cutoff')};
DECLARE reseal_version INT64 DEFAULT ${planned('keyset_version')};
${declareVersion(d, 'reseal_version')}`;
}

/**
 * What the merge does in a run of the mode `stale`, once for each field: what the engine sealed is written by then and
 * is not taken again.
 *
 * @example
 * rewrapInMerge(deployment); // "IF reseal_mode = 'stale' THEN …"
 */
export const rewrapInMerge = (d: Deployment): string => `IF reseal_mode = 'stale' THEN
${d.fields
  .map(
    (field) => `${rewrapRowKeysets(d, field, {
      time: 'reseal_time',
      chain: VERSION,
      version: 'reseal_version',
      ids: { id_from: 'reseal_id_from', id_cutoff: 'reseal_id_cutoff' },
    })};
SET reseal_rewrapped = reseal_rewrapped + @@row_count;`,
  )
  .join('\n')}
END IF;`;

const BOUNDS = {
  ...CHAIN,
  time_millis: 'INT64',
  id_from: 'INT64',
  id_cutoff: 'INT64',
  keyset_version: 'INT64',
} as const;

/**
 * The same statements, each on its own: for dry runs.
 *
 * @example
 * for (const scan of rewrapScans(deployment)) await bigquery.bytes(scan, values);
 */
export const rewrapScans = (d: Deployment): Statement<keyof typeof BOUNDS>[] =>
  d.fields.map((field, at) => {
    const bounds = {
      time: 'TIMESTAMP_MILLIS(@time_millis)',
      chain: GIVEN,
      version: '@keyset_version',
      ids: { id_from: '@id_from', id_cutoff: '@id_cutoff' },
    };
    return statement(`rewrap_${at + 1}`, typed(d, BOUNDS), rewrapRowKeysets(d, field, bounds));
  });
