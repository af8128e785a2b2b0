import { AEAD } from '../algorithms.ts';
import type { Deployment } from '../deployment.ts';
import type { Keying } from '../settings/choices.ts';
import { openedFaults, openedSource, sourceFaults, sourceParts, untagged } from './open-sources.ts';
import { idText, shownId } from './row-ids.ts';
import { selectedValues } from './select-values.ts';
import { SELECTION, typed } from './selection.ts';
import { CHAIN, GIVEN, keysetChain, kmsUri, literal, type Statement, statement, table } from './statement.ts';
import { TRY, tryKeyset } from './try-keys.ts';

/** What the statement that seals raises where the try's keys have been taken away, or another try has its load job's id. */
export const DATA_KEYS_GONE = 'the data keys of this try are not all there any more';

/** The data keys of a try, one a row. */
const dataKeys = (d: Deployment): string =>
  `SELECT name, sealed, key_ids, reason AS key_reason, in_job FROM ${table(d, 'dataKeys')} WHERE run_id = @run_id AND key_set = @key_set AND name IS NOT NULL`;

/**
 * Has BigQuery open and seal the selected values itself, and stages them, sealed or rejected. Values under keys that it
 * cannot use are left to the job.
 *
 * In row keying each value needs a keyset that is used twice, for the value and to be sealed itself. How often an
 * expression is evaluated whose result is used twice, GoogleSQL promises of WITH alone, and BigQuery not even of that;
 * so the row keysets are sealed into a temporary table first, one a value, and each is opened from there. The table has
 * no value and no key in the clear.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax#cte_visibility
 *
 * Values whose key is not there would be left out, like those that are left to the job: the statement raises unless there
 * are as many keys as were brought.
 *
 * The keyset of the try comes by way of a variable, which KEYSET_CHAIN takes. A data key that it does not open fails the
 * statement: that says nothing about a value.
 *
 * @example
 * const values = { ...selection, run_id: runId, key_set, keys: 7, attempt: 'reseal_pr_123_seal_1', ...chainValues(keyset) };
 * await bigquery.start(sql.sealValues, values, 'reseal_pr_123_seal_1');
 */
export function sealValues(
  d: Deployment,
): Statement<keyof typeof SELECTION | keyof typeof TRY | 'keys' | 'attempt' | keyof typeof CHAIN> {
  const first = keysetChain(GIVEN);
  const aad = idText(d, 'id');
  const aadBytes = `CAST(${aad} AS BYTES)`;
  const own = keysetChain({ kms: literal(kmsUri(d.bigqueryKek)), keyset: 'reseal_try_keyset' });
  const rowKeyset = `AEAD.ENCRYPT(${first}, KEYS.NEW_KEYSET('${AEAD}'), ${aadBytes})`;
  const row = d.keying === 'row';
  const sealed: Readonly<Record<Keying, string>> = {
    row: `AEAD.ENCRYPT(AEAD.DECRYPT_BYTES(${first}, row_keyset, ${aadBytes}), opened_text, ${aad})`,
    shared: `AEAD.ENCRYPT(${first}, opened_text, ${aad})`,
    deterministic: `DETERMINISTIC_ENCRYPT(${first}, opened_text, field)`,
  };
  return statement(
    'seal',
    { ...typed(d, SELECTION), ...TRY, keys: 'INT64', attempt: 'STRING', ...CHAIN },
    `DECLARE reseal_try_keyset BYTES DEFAULT (${tryKeyset(d)});
${
  row
    ? `CREATE TEMP TABLE reseal_selected AS
SELECT id, field, cipher_text, dek, token, ${rowKeyset} AS row_keyset
FROM (${selectedValues(d)});
`
    : ''
}ASSERT (SELECT COUNT(*) FROM (${dataKeys(d)})) = @keys AS '${DATA_KEYS_GONE}';
INSERT INTO ${table(d, 'staging')} (id, run_id, attempt, field, resealed_from, reason, dek_fingerprint, unauthenticated, decrypted_email, bq_encryption_key, bq_encrypted_email)
SELECT id, @run_id, @attempt, field, token, fault,
  IF(fault IS NULL, NULL, SUBSTR(TO_HEX(SHA256(IFNULL(dek, ''))), 1, 16)),
  IF(fault IS NULL, ${untagged(d)}, NULL),
  ${d.storePlaintext ? 'IF(fault IS NULL, opened_text, NULL)' : 'CAST(NULL AS STRING)'},
  ${row ? 'IF(fault IS NULL, row_keyset, NULL)' : 'CAST(NULL AS BYTES)'},
  IF(fault IS NULL, ${sealed[d.keying]}, NULL)
FROM (
  SELECT *, CASE WHEN source_fault IS NOT NULL THEN source_fault ${openedFaults(d)} END AS fault
  FROM (
    SELECT *, SAFE_CAST(opened AS STRING) AS opened_text
    FROM (
      SELECT *, IF(source_fault IS NULL, ${openedSource(d, `AEAD.DECRYPT_BYTES(${own}, sealed, ${keyAad})`)}, NULL) AS opened
      FROM (
        SELECT v.*, k.name, k.sealed, CASE WHEN k.key_reason IS NOT NULL THEN k.key_reason ${sourceFaults(d)} END AS source_fault
        FROM (${sourceParts(d, row ? 'SELECT * FROM reseal_selected' : selectedValues(d))}) AS v
        LEFT JOIN (${dataKeys(d)}) AS k
        ON k.name = SHA256(v.key_text)
        WHERE k.in_job IS NOT TRUE AND (k.name IS NOT NULL OR v.key_text IS NULL)
      )
    )
  )
);`,
  );
}

/** What a data key is bound to in its sealed form; `keyAadOf` in jobs/engines/bigquery/sealed-keys.ts has the same. */
const keyAad = "CAST(CONCAT(@run_id, '\\n', TO_HEX(name)) AS BYTES)";

/**
 * The selected values whose data keys BigQuery cannot use, each with its key, sealed; values of one key follow each
 * other.
 *
 * @example
 * for await (const page of bigquery.pages(sql.valuesLeft, { ...selection, run_id: runId, key_set })) await seal(page);
 */
export const valuesLeft = (d: Deployment): Statement<keyof typeof SELECTION | keyof typeof TRY> =>
  statement(
    'read_left',
    { ...typed(d, SELECTION), ...TRY },
    `SELECT ${shownId(d, 'v.id')} AS id, v.field, v.cipher_text, v.dek, v.token, TO_HEX(k.name) AS key_name, k.sealed AS sealed_key
FROM (${sourceParts(d, selectedValues(d))}) AS v
JOIN (${dataKeys(d)}) AS k
ON k.name = SHA256(v.key_text)
WHERE k.in_job
ORDER BY key_name, v.id`,
  );
