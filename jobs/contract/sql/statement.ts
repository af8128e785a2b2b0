import type { Deployment } from '../deployment.ts';
import type { Field } from '../fields.ts';
import type { TableName } from '../settings/table-settings.ts';

/** The types that a named parameter of a statement may have. */
export type ParamType = 'INT64' | 'STRING' | 'BYTES' | 'FLOAT64';

/**
 * One GoogleSQL statement or script. The text is fixed for a stack; what differs from run to run is a named
 * parameter, so that the job binds values and the workflow binds expressions to the very same text.
 */
export interface Statement<P extends string = string> {
  /** Also the step in the BigQuery job's id. */
  readonly name: string;
  readonly sql: string;
  readonly params: Readonly<Record<P, ParamType>>;
  /** Where a table is looked for whose name has no dataset; Reseal's own statements name it. */
  readonly dataset?: string;
}

/** What reading values back needs of a stack; the stored procedure is made before the rest is known. */
export type ReadStack = Pick<
  Deployment,
  'project' | 'dataset' | 'tables' | 'partitionColumn' | 'idColumn' | 'idType' | 'fields' | 'keying'
>;

/**
 * A statement from its name, its parameters' types and its text.
 *
 * @example
 * statement('clock', {}, 'SELECT UNIX_MILLIS(CURRENT_TIMESTAMP()) AS snapshot_millis');
 */
export function statement<P extends string>(
  name: string,
  params: Record<P, ParamType>,
  sql: string,
): Statement<P> {
  return { name, sql: sql.trim(), params };
}

/**
 * A table's full name, quoted. Settings admit no backtick in any of the three parts.
 *
 * @example
 * table(deployment, 'staging'); // '`my-project.encryption_poc.users_temp`'
 */
export const table = (d: Pick<Deployment, 'project' | 'dataset' | 'tables'>, which: TableName): string =>
  `\`${d.project}.${d.dataset}.${d.tables[which]}\``;

/**
 * A string literal; GoogleSQL escapes with backslashes.
 *
 * @example
 * literal("it's"); // "'it\\'s'"
 */
export const literal = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;

/**
 * A column name, quoted: a user's own may be a reserved word.
 *
 * @example
 * quoted('order'); // '`order`'
 */
export const quoted = (column: string): string => `\`${column}\``;

/** How BigQuery's key functions begin the name of a Cloud KMS key. */
const KMS_SCHEME = 'gcp-kms://';

/**
 * How BigQuery's key functions name a Cloud KMS key.
 *
 * @example
 * kmsUri('projects/p/locations/us/keyRings/r/cryptoKeys/k'); // 'gcp-kms://projects/p/…'
 */
export const kmsUri = (kmsKey: string): string => `${KMS_SCHEME}${kmsKey}`;

/**
 * The same as an expression of SQL, and back: the table of keysets has resource names.
 *
 * @example
 * uriOf('kms_key'); // "CONCAT('gcp-kms://', kms_key)"
 */
export const uriOf = (kmsKey: string): string => `CONCAT('${KMS_SCHEME}', ${kmsKey})`;
/** @example keyNameOf('@kms'); // "REPLACE(@kms, 'gcp-kms://', '')" */
export const keyNameOf = (uri: string): string => `REPLACE(${uri}, '${KMS_SCHEME}', '')`;

/**
 * A version of the first-level keyset as expressions: the URI of the key that wraps it, and its wrapped bytes. Each
 * version says by itself which key that is; the stack's setting only says it of the first one.
 */
export interface Chain {
  readonly kms: string;
  readonly keyset: string;
}

/** The version that a statement is given as parameters. */
export const CHAIN = { kms: 'STRING', keyset: 'BYTES' } as const;
export const GIVEN: Chain = { kms: '@kms', keyset: '@keyset' };

/** A version of each type. What opens values by what their rows say of themselves needs both. */
export interface Chains {
  readonly aead: Chain;
  readonly deterministic: Chain;
}

/** The versions that a statement is given as parameters. */
export const CHAINS = { ...CHAIN, deterministic_kms: 'STRING', deterministic_keyset: 'BYTES' } as const;
export const GIVEN_CHAINS: Chains = {
  aead: GIVEN,
  deterministic: { kms: '@deterministic_kms', keyset: '@deterministic_keyset' },
};

/**
 * KEYSET_CHAIN takes a literal, a parameter or a script variable, never a column, hence one first-level keyset a
 * statement. The newest of a type opens what every older version of it sealed: no version is added that does not.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions#keyskeyset_chain
 *
 * @example
 * keysetChain(GIVEN); // 'KEYS.KEYSET_CHAIN(@kms, @keyset)'
 */
export const keysetChain = ({ kms, keyset }: Chain): string => `KEYS.KEYSET_CHAIN(${kms}, ${keyset})`;

/**
 * The compare-and-set token of a value: SHA-256 of cipher text, newline, data key. The newline is in
 * neither alphabet, so no two sources share a token.
 *
 * @example
 * token('`cipher_text`', '`dek`'); // "SHA256(CONCAT(`cipher_text`, …))"
 */
export const token = (cipherText: string, dek: string): string =>
  `SHA256(CONCAT(${cipherText}, '\\n', IFNULL(${dek}, '')))`;

/**
 * Whether an operator shredded a field's value: its row key is gone, and what it sealed is left as the mark of it.
 * No run seals such a value again.
 *
 * @example
 * `SELECT COUNTIF(${shredded(field)}) AS n FROM ${table(deployment, 'source')}`
 */
export const shredded = (field: Field, alias = ''): string =>
  `(${alias}${quoted(field.sealed)} IS NOT NULL AND ${alias}${quoted(field.key)} IS NULL)`;
