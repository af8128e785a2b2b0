import { AEAD } from '../algorithms.ts';
import type { Deployment } from '../deployment.ts';
import { sourceParts } from './open-sources.ts';
import { selectedValues } from './select-values.ts';
import { SELECTION, typed } from './selection.ts';
import { kmsUri, literal, type Statement, statement, table } from './statement.ts';

/** One try of a run to have BigQuery open its values: all keys of the try carry the same mark, and no other's. */
export const TRY = { run_id: 'STRING', key_set: 'STRING' } as const;

/**
 * Makes the keyset that the data keys of a try are sealed with, inside BigQuery, unless it is there. MERGE, so that the
 * statement may be repeated; the update changes nothing.
 *
 * @example
 * await bigquery.query(sql.makeTryKeyset, { run_id: runId, key_set: 'reseal_pr_123_keys_1_9f3a1c07' });
 */
export function makeTryKeyset(d: Deployment): Statement<keyof typeof TRY> {
  const wrapped = `KEYS.NEW_WRAPPED_KEYSET(${literal(kmsUri(d.bigqueryKek))}, '${AEAD}')`;
  return statement(
    'try_keyset',
    TRY,
    `MERGE ${table(d, 'dataKeys')} AS k
USING (SELECT @run_id AS run_id, @key_set AS key_set) AS made
ON k.run_id = made.run_id AND k.key_set = made.key_set
WHEN MATCHED THEN
  UPDATE SET run_id = made.run_id
WHEN NOT MATCHED THEN
  INSERT (run_id, key_set, wrapped_keyset) VALUES (made.run_id, made.key_set, ${wrapped})`,
  );
}

/**
 * The keyset of a try as a subquery; a value of it for KEYSET_CHAIN comes by way of a variable.
 *
 * @example
 * `DECLARE reseal_try_keyset BYTES DEFAULT (${tryKeyset(deployment)});`
 */
export const tryKeyset = (d: Deployment): string =>
  `SELECT wrapped_keyset FROM ${table(d, 'dataKeys')} WHERE run_id = @run_id AND key_set = @key_set AND name IS NULL`;

/**
 * The same as a statement.
 *
 * @example
 * await bigquery.query(sql.readTryKeyset, { run_id: runId, key_set }); // [{ wrapped_keyset: 'CiQA…' }]
 */
export const readTryKeyset = (d: Deployment): Statement<keyof typeof TRY> =>
  statement('read_try_keyset', TRY, tryKeyset(d));

/**
 * Removes the data keys of a try, or with an empty @key_set those of every try of the run.
 *
 * @example
 * await bigquery.query(sql.clearDataKeys, { run_id: runId, key_set: '' });
 */
export const clearDataKeys = (d: Deployment): Statement<keyof typeof TRY> =>
  statement(
    'clear_data_keys',
    TRY,
    `DELETE FROM ${table(d, 'dataKeys')} WHERE run_id = @run_id AND (@key_set = '' OR key_set = @key_set)`,
  );

/**
 * The distinct data keys of the selected values, wrapped, as the source has them: a text of the dek column, or in the
 * `tink-envelope` format the bytes inside the cipher text in base64. A cipher text that has none is left out.
 *
 * @example
 * for await (const page of bigquery.pages(sql.dataKeyNames, selection)) page.column('wrapped');
 */
export const dataKeyNames = (d: Deployment): Statement<keyof typeof SELECTION> =>
  statement(
    'data_keys',
    typed(d, SELECTION),
    `SELECT DISTINCT key_text AS wrapped FROM (${sourceParts(d, selectedValues(d))}) WHERE key_text IS NOT NULL`,
  );
