import { z } from 'zod';
import { identifier } from '../contract/settings/patterns.ts';
import { tableSettings } from '../contract/settings/table-settings.ts';
import type { Endpoints } from '../google/clients.ts';
import { columnFault, columnNamed, type ExistingColumn, likelyColumn } from '../setup/existing-columns.ts';
import { specimensOf } from '../setup/existing-table.ts';
import { type Looked, look, noTable, type Sought } from '../setup/look.ts';
import { type SourceShape, sourceShape } from '../setup/source-shape.ts';
import type { Dialogue, Question } from './answers.ts';

/** What `init` asks of a table, and what it sees for itself. */

type Ask = (question: Question) => Promise<string>;

/**
 * The table, and what there is of it. A typed one that its dataset lacks is asked for again.
 *
 * @throws ResealError `init-table`, and what `ask` throws
 */
export async function tableOf(
  ask: Ask,
  given: string | undefined,
  inside: Omit<Sought, 'table'>,
  { terminal, say, endpoints }: Dialogue & { readonly endpoints?: Endpoints },
): Promise<{ readonly table: string; readonly looked: Looked }> {
  const { sourceTable } = tableSettings;
  for (;;) {
    const table = await ask({
      flag: '--table',
      question: 'table with the encrypted values',
      given,
      proposed: sourceTable.parse(undefined),
      schema: sourceTable,
    });
    const sought = { ...inside, table };
    const looked = await look(sought, endpoints);
    if (looked.is === 'dataset') {
      const missing = noTable(sought, looked.tables);
      if (given !== undefined || terminal === null) throw missing;
      say(`  ${missing.message}\n`);
      continue;
    }
    say(`${seen(sought, looked)}\n`);
    return { table, looked };
  }
}

function seen({ project, dataset, table }: Sought, looked: Exclude<Looked, { is: 'dataset' }>): string {
  const name = `${project}.${dataset}.${table}`;
  if (looked.is === 'table') return `${name} has ${looked.table.rows} rows and is used as it is`;
  if (looked.is === 'nothing')
    return `${project} has no dataset ${dataset}: the stack creates it, with the table ${table}`;
  return `${name} was not looked at: ${looked.why}\nthe file says that the stack creates it; where it is there already, run this again with --force once you may look`;
}

const COLUMNS = {
  id: { flag: '--id-column', question: 'column that identifies a row' },
  cipherText: { flag: '--cipher-text', question: 'column of the cipher text' },
  dek: { flag: '--dek', question: 'column of the wrapped data key' },
} as const;

/** Asks for a column: one that the table has, as it spells it, or any where the stack creates the table. */
export const columnsFor =
  (ask: Ask, columns: readonly ExistingColumn[] | null) =>
  async (
    what: keyof typeof COLUMNS,
    given: string | undefined,
    usual: string,
    taken: readonly string[],
  ): Promise<string> => {
    if (columns === null)
      return given === undefined ? usual : ask({ ...COLUMNS[what], given, schema: identifier });
    const schema = z.string().superRefine((name, context) => {
      const fault = columnFault(columns, name, what === 'id' ? 'id' : 'text', taken);
      if (fault !== null) context.addIssue(fault);
    });
    const { flag } = COLUMNS[what];
    const hint = `the table has ${columns.map(({ name }) => name).join(', ')}: name the right one with ${flag}`;
    const proposed = likelyColumn(columns, what, usual, taken);
    const answer = await ask({ ...COLUMNS[what], given, proposed, schema, hint });
    return columnNamed(columns, answer)?.name ?? answer;
  };

/** What the values of a table look like, which is said as well; null where there is no table to look at. */
export async function shapeOf(
  say: Dialogue['say'],
  looked: Looked,
  { dataset, table }: Sought,
  columns: { readonly id: string; readonly cipherText: string; readonly dek: string },
): Promise<SourceShape | null> {
  if (looked.is !== 'table') return null;
  const specimens = await specimensOf(looked.client, dataset, table, columns);
  const shape = sourceShape(specimens);
  if (shape.specimens > 0) say(`${shapeWords(shape)}\n`);
  const idless = specimens.filter(({ hasId }) => !hasId).length;
  if (idless > 0)
    say(
      `${idless} of ${specimens.length} values are in rows whose ${columns.id} is NULL: no run takes them, and \`reseal doctor\` counts them all\n`,
    );
  return shape;
}

const shapeWords = ({ format, fitting, specimens, dekEncoding }: SourceShape): string =>
  format === null
    ? `none of ${specimens} values looks like a format that Reseal reads`
    : `${fitting} of ${specimens} values look like ${format}${dekEncoding === null ? '' : `, data keys like ${dekEncoding}`}`;
