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
  'project' | 'dataset' | 'tables' | 'partitionColumn' | 'idColumn' | 'fields' | 'keying' | 'bigqueryKek'
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

/**
 * How BigQuery's key functions name a Cloud KMS key.
 *
 * @example
 * kmsLiteral(deployment); // "'gcp-kms://projects/…/cryptoKeys/bigquery'"
 */
export const kmsLiteral = (d: Pick<Deployment, 'bigqueryKek'>): string =>
  literal(`gcp-kms://${d.bigqueryKek}`);

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
