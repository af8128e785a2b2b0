import { z } from 'zod';
import type { IdType } from '../contract/settings/choices.ts';
import { faultOf } from '../contract/settings/fault.ts';
import { identifier } from '../contract/settings/patterns.ts';
import { runSettings } from '../contract/settings/run-settings.ts';
import { sqlTypeName } from '../contract/tables.ts';

/** Which columns of a table that is there can be what a stack needs: the id, the cipher text, the data key. */

/** A column as tables.get has it: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema */
export interface ExistingColumn {
  readonly name: string;
  /** REST's name: INTEGER, STRING, … */
  readonly type: string;
  readonly mode?: string;
}

/** What a column is for. */
type Purpose = 'id' | 'text';

/** BigQuery takes a column by its name in any case, and the settings have it as the table spells it. */
export const columnNamed = (columns: readonly ExistingColumn[], name: string): ExistingColumn | undefined =>
  columns.find((column) => column.name.toLowerCase() === name.toLowerCase());

/** The type of cipher texts and wrapped data keys. */
const TEXT = z.literal('STRING', { error: 'values and data keys are read as STRING, bytes in base64' });

const typeOf = ({ type, mode }: ExistingColumn): string =>
  mode === 'REPEATED' ? `ARRAY<${sqlTypeName(type)}>` : sqlTypeName(type);

/**
 * What is wrong with a column for a purpose, as words behind "it"; null for nothing.
 *
 * @param taken the columns that stand for something else already
 *
 * @example
 * columnFault([{ name: 'dek', type: 'BYTES' }], 'dek', 'text', []); // 'names dek, which is BYTES: …'
 */
export function columnFault(
  columns: readonly ExistingColumn[],
  name: string,
  purpose: Purpose,
  taken: readonly string[],
): string | null {
  const found = columnNamed(columns, name);
  if (found === undefined)
    return `must be a column of the table, which has ${columns.map((column) => column.name).join(', ')}`;
  if (taken.includes(found.name)) return `must be another column: ${found.name} stands for something else`;
  const type = typeOf(found);
  const isId = purpose === 'id';
  const fault = faultOf(isId ? runSettings.idType : TEXT, type);
  if (fault === null) return faultOf(identifier, found.name);
  return `names ${found.name}, which is ${type}${isId ? '; an id ' : ': '}${fault}`;
}

/** The type of ids of a column that `columnFault` has nothing against. */
export const idTypeOf = (column: ExistingColumn): IdType => runSettings.idType.parse(typeOf(column));

/** What applications call such columns. */
const NAMES = {
  id: /^id$|_id$/i,
  cipherText: /cipher|encrypted/i,
  dek: /dek|data_?key|wrapped/i,
} as const;

/**
 * The column that an application would most likely use for something: by type, and of those by name, first the usual
 * one. Undefined where none is called so: the user has to say it.
 *
 * @example
 * likelyColumn([{ name: 'person_id', type: 'INTEGER' }], 'id', 'id'); // 'person_id'
 */
export function likelyColumn(
  columns: readonly ExistingColumn[],
  what: keyof typeof NAMES,
  usual: string,
  taken: readonly string[] = [],
): string | undefined {
  const purpose = what === 'id' ? 'id' : 'text';
  const fitting = columns.filter(({ name }) => columnFault(columns, name, purpose, taken) === null);
  const numbersFirst = [
    ...fitting.filter((column) => typeOf(column) === 'INT64'),
    ...fitting.filter((column) => typeOf(column) !== 'INT64'),
  ];
  return columnNamed(fitting, usual)?.name ?? numbersFirst.find(({ name }) => NAMES[what].test(name))?.name;
}
