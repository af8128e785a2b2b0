import { z } from 'zod';
import { ResealError } from '../contract/errors.ts';
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

/** What options say of a table; it counts where nobody can look. */
export interface Told {
  readonly exists?: boolean;
  readonly new?: boolean;
}

/** A table, what there is of it, and whether it is taken to be there. */
export interface Chosen {
  readonly table: string;
  readonly looked: Looked;
  readonly isThere: boolean;
}

/**
 * The table, and what there is of it. A typed one that its dataset lacks is asked for again, and so is whether one is
 * there that nobody can look at.
 *
 * @throws ResealError `init-table`, `init-unseen`, and what `ask` throws
 */
export async function tableOf(
  ask: Ask,
  { table: given, ...told }: Told & { readonly table?: string },
  inside: Omit<Sought, 'table'>,
  { terminal, say, endpoints }: Dialogue & { readonly endpoints?: Endpoints },
): Promise<Chosen> {
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
    if (looked.is === 'unseen') {
      const isThere = await unseen(ask, sought, looked.why, told, { terminal, say });
      return { table, looked, isThere };
    }
    say(`${seen(sought, looked, told)}\n`);
    return { table, looked, isThere: looked.is === 'table' };
  }
}

/** What there is, in words. Throws ResealError where an option says otherwise. */
function seen(
  { project, dataset, table }: Sought,
  looked: Extract<Looked, { is: 'table' | 'nothing' }>,
  told: Told,
): string {
  const name = `${project}.${dataset}.${table}`;
  if (looked.is === 'table' && told.new)
    throw new ResealError('init-table', `${name} is there already`, {
      hint: 'leave --new out, and it is used as it is; for a table that the stack creates take a dataset that is not there yet, with --dataset',
    });
  if (looked.is === 'nothing' && told.exists)
    throw new ResealError('init-table', `${project} has no dataset ${dataset}`, {
      hint: 'leave --exists out, and the stack creates it; for a table that is there name its project and dataset',
    });
  return looked.is === 'table'
    ? `${name} has ${looked.table.rows} rows and is used as it is`
    : `${project} has no dataset ${dataset}: the stack creates it, with the table ${table}`;
}

/** Whether a table is there that nobody can look at: what an option says, or the answer on a terminal. */
async function unseen(
  ask: Ask,
  { project, dataset, table }: Sought,
  why: string,
  told: Told,
  { terminal, say }: Dialogue,
): Promise<boolean> {
  const message = `${project}.${dataset}.${table} was not looked at: ${why}`;
  const isTold = told.exists || told.new;
  if (!isTold && terminal === null)
    throw new ResealError('init-unseen', message, {
      hint: 'say that the table is there with --exists, or that the stack creates it and its dataset with --new; or let `init` look: `gcloud auth application-default login`',
    });
  say(`${message}\n`);
  if (isTold) return told.exists ?? false;
  const answer = await ask({
    flag: '--exists or --new',
    question: 'is the table there already (yes or no)',
    given: undefined,
    schema: z.enum(['yes', 'no'], { error: 'must be yes or no' }),
  });
  return answer === 'yes';
}

const COLUMNS = {
  id: { flag: '--id-column', question: 'column that identifies a row' },
  cipherText: { flag: '--cipher-text', question: 'column of the cipher text' },
  dek: { flag: '--dek', question: 'column of the wrapped data key' },
} as const;

/**
 * Asks for a column: one that the table has, as it spells it, or any where the stack creates the table, or nobody could
 * look at it.
 */
export const columnsFor =
  (ask: Ask, columns: readonly ExistingColumn[] | null, isThere: boolean) =>
  async (
    what: keyof typeof COLUMNS,
    given: string | undefined,
    usual: string,
    taken: readonly string[],
  ): Promise<string> => {
    if (columns === null)
      return given === undefined && !isThere
        ? usual
        : ask({ ...COLUMNS[what], given, proposed: usual, schema: identifier });
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
