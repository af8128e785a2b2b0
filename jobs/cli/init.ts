import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Interface } from 'node:readline/promises';
import { z } from 'zod';
import { defaultsOf } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import { type Field, withColumns } from '../contract/fields.ts';
import type { IdType, Keying, SourceFormat } from '../contract/settings/choices.ts';
import { cryptoKey, identifier } from '../contract/settings/patterns.ts';
import { runSettings } from '../contract/settings/run-settings.ts';
import { tableSettings } from '../contract/settings/table-settings.ts';
import { STACK_NAME, STACK_NAME_RULE } from '../contract/stack-name.ts';
import { sqlTypeName } from '../contract/tables.ts';
import { bigQueryClient, type Endpoints } from '../google/clients.ts';
import {
  type ExistingColumn,
  type ExistingTable,
  existingTable,
  specimensOf,
} from '../setup/existing-table.ts';
import { type SourceShape, sourceShape } from '../setup/source-shape.ts';
import { missingColumns, type StackChoices, stackFile } from '../setup/stack-file.ts';
import { PROJECT_FOLDER } from '../stack/outputs.ts';
import { asking } from './asking.ts';

export interface InitOptions {
  readonly project?: string;
  readonly location?: string;
  readonly dataset?: string;
  readonly table?: string;
  readonly idColumn?: string;
  readonly field?: string;
  readonly cipherText?: string;
  readonly dek?: string;
  readonly sourceFormat?: SourceFormat;
  readonly keying?: Keying;
  readonly sourceKek?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Writes the file of a new stack, and says what comes next. Asks on a terminal for what no option says. */
export async function initCommand(stack: string, options: InitOptions): Promise<void> {
  const terminal =
    process.stdin.isTTY && process.stderr.isTTY && !options.json
      ? asking({ input: process.stdin, output: process.stderr })
      : null;
  const say = (text: string): unknown => process.stderr.write(text);
  try {
    const made = await init(stack, options, { folder: PROJECT_FOLDER, terminal, say });
    process.stdout.write(options.json ? `${JSON.stringify(made)}\n` : nextLines(stack, made));
  } finally {
    terminal?.close();
  }
}

/** Where the dialogue takes place. */
export interface Place {
  /** Where the stack's file goes. */
  readonly folder: string;
  readonly terminal: Pick<Interface, 'question'> | null;
  readonly say: (text: string) => unknown;
  readonly endpoints?: Endpoints;
}

export interface Initialised {
  readonly file: string;
  readonly choices: StackChoices;
  /** What the values look like; null where nobody could look. */
  readonly shape: SourceShape | null;
  /** The statement that adds what the application's table lacks; null where it lacks nothing. */
  readonly alter: string | null;
}

/**
 * Asks, looks at the table where there is one, and writes `Pulumi.STACK.yaml`.
 *
 * @throws ResealError `init-stack`, `init-exists`, `init-setting`
 */
export async function init(stack: string, options: InitOptions, place: Place): Promise<Initialised> {
  if (!STACK_NAME.test(stack))
    throw new ResealError('init-stack', `"${stack}" is no name for a stack`, {
      hint: `a name is ${STACK_NAME_RULE}, for example staging`,
    });
  const file = join(place.folder, `Pulumi.${stack}.yaml`);
  if (existsSync(file) && !options.force)
    throw new ResealError('init-exists', `Pulumi.${stack}.yaml exists already`, {
      hint: 'edit it, take another name, or overwrite it with --force',
    });
  const ask = answers(place);
  const usual = { ...defaultsOf(runSettings), ...defaultsOf(tableSettings) };
  const [columnsOf] = withColumns(usual.fields) as [Field];
  const project = await ask({
    flag: '--project',
    question: 'Google Cloud project',
    given: options.project,
    schema: runSettings.project,
  });
  const dataset = await ask({
    flag: '--dataset',
    question: 'BigQuery dataset',
    given: options.dataset,
    proposed: usual.dataset,
    schema: tableSettings.dataset,
  });
  const table = await ask({
    flag: '--table',
    question: 'table with the encrypted values',
    given: options.table,
    proposed: usual.sourceTable,
    schema: tableSettings.sourceTable,
  });
  const found = await look(place, { project, dataset, table });
  const location = await ask({
    flag: '--location',
    question: 'region',
    given: options.location,
    proposed: found?.table.location ?? usual.location,
    schema: runSettings.location,
  });
  const columns = found?.table.columns ?? [];
  const column = (flag: string, question: string, given: string | undefined, proposed: string) =>
    found === null && given === undefined
      ? Promise.resolve(proposed)
      : ask({ flag, question, given, proposed, schema: identifier });
  const idColumn = await column(
    '--id-column',
    'column that identifies a row',
    options.idColumn,
    likely(columns, 'INTEGER', /^id$|_id$/i, likely(columns, 'STRING', /^id$|_id$/i, usual.idColumn)),
  );
  const idType = idTypeOf(columns, idColumn, usual.idType);
  const cipherText = await column(
    '--cipher-text',
    'column of the cipher text',
    options.cipherText,
    likely(columns, 'STRING', /cipher|encrypted/i, columnsOf.cipherText),
  );
  const dek = await column(
    '--dek',
    'column of the wrapped data key',
    options.dek,
    likely(columns, 'STRING', /dek|data_?key|wrapped/i, columnsOf.dek),
  );
  const shape = found === null ? null : await shapeOf(place, found, { dataset, table, cipherText, dek });
  const sourceFormat = await ask({
    flag: '--source-format',
    question: 'source format: gcm, dotted, tink or tink-envelope',
    given: options.sourceFormat,
    proposed: shape?.format ?? usual.sourceFormat,
    schema: runSettings.sourceFormat,
  });
  const keying = await ask({
    flag: '--keying',
    question:
      'keying: row (a key a row), shared (one for all) or deterministic (equal values equal, for joins)',
    given: options.keying,
    proposed: usual.keying,
    schema: runSettings.keying,
  });
  const sourceKek = await ask({
    flag: '--source-kek',
    question: 'CryptoKey that wraps the data keys (projects/…; empty: the stack makes one)',
    given: options.sourceKek,
    // Values that are there already were wrapped by a key that a new stack cannot make.
    ...(found === null || found.table.rows === 0 ? { proposed: '' } : {}),
    schema: z.union([z.literal(''), cryptoKey], {
      error: 'must be the full name of a CryptoKey, without a version',
    }),
  });
  const choices: StackChoices = {
    stack,
    project,
    location,
    dataset,
    table,
    exists: found !== null,
    idColumn,
    idType,
    field: options.field ?? columnsOf.name,
    cipherText,
    dek,
    sourceFormat: sourceFormat as SourceFormat,
    keying: keying as Keying,
    sourceKek: sourceKek === '' ? null : sourceKek,
    partitionColumn: found?.table.partitionColumn ?? null,
  };
  writeFileSync(file, stackFile(choices));
  return { file, choices, shape, alter: found === null ? null : missingColumns(choices, found.table) };
}

interface Question {
  readonly flag: string;
  readonly question: string;
  readonly given: string | undefined;
  readonly proposed?: string;
  readonly schema: z.ZodType;
}

/** Takes what an option says, else asks; without a terminal what is proposed counts. */
const answers =
  ({ terminal, say }: Place) =>
  async ({ flag, question, given, proposed, schema }: Question): Promise<string> => {
    const fault = (text: string): string | null =>
      schema
        .safeParse(text)
        .error?.issues.map(({ message }) => message)
        .join('; ') ?? null;
    if (given !== undefined) {
      const wrong = fault(given);
      if (wrong === null) return given;
      throw new ResealError('init-setting', `${flag} ${wrong}`, { hint: `${flag} is the ${question}` });
    }
    if (terminal === null) {
      if (proposed !== undefined) return proposed;
      throw new ResealError('init-setting', `${flag} is needed: the ${question}`, {
        hint: `add ${flag}, or run the command on a terminal, where it asks`,
      });
    }
    for (;;) {
      const typed = (await terminal.question(`${question}${proposed ? ` [${proposed}]` : ''}: `)).trim();
      const answer = typed === '' ? (proposed ?? '') : typed;
      const wrong = fault(answer);
      if (wrong === null) return answer;
      say(`  it ${wrong}\n`);
    }
  };

/** The table as BigQuery has it, with the client that looked. */
interface Found {
  readonly table: ExistingTable;
  readonly client: Awaited<ReturnType<typeof bigQueryClient>>;
}

type Named = Pick<StackChoices, 'project' | 'dataset' | 'table'>;

/** Null where there is no such table; and where nobody may look, which is said: the file can be written all the same. */
/** The type of the ids of a table that is there. */
function idTypeOf(columns: readonly ExistingColumn[], idColumn: string, usual: IdType): IdType {
  const found = columns.find(({ name }) => name.toLowerCase() === idColumn.toLowerCase());
  if (found === undefined) return usual;
  const parsed = runSettings.idType.safeParse(sqlTypeName(found.type));
  if (parsed.success) return parsed.data;
  throw new ResealError(
    'init-setting',
    `${idColumn} is ${sqlTypeName(found.type)}; an id ${parsed.error.issues.map(({ message }) => message).join('; ')}`,
    { hint: 'name another column with --id-column' },
  );
}

async function look({ endpoints, say }: Place, { project, dataset, table }: Named): Promise<Found | null> {
  try {
    const client = await bigQueryClient({ project }, endpoints);
    const found = await existingTable(client, dataset, table);
    if (found === null) {
      say(`${project}.${dataset} has no table ${table}: the stack creates it\n`);
      return null;
    }
    say(`${project}.${dataset}.${table} has ${found.rows} rows and is used as it is\n`);
    return { table: found, client };
  } catch (error) {
    say(
      `${project}.${dataset}.${table} was not looked at: ${error instanceof Error ? error.message : error}\n`,
    );
    return null;
  }
}

async function shapeOf(
  { say }: Place,
  { client, table: { columns } }: Found,
  { dataset, table, cipherText, dek }: Omit<Named, 'project'> & Pick<StackChoices, 'cipherText' | 'dek'>,
): Promise<SourceShape | null> {
  const missing = [cipherText, dek].find((name) => !columns.some((column) => column.name === name));
  if (missing !== undefined)
    throw new ResealError('init-setting', `${table} has no column ${missing}`, {
      hint: `it has ${columns.map(({ name }) => name).join(', ')}: name the right ones with --cipher-text and --dek`,
    });
  const shape = sourceShape(await specimensOf(client, dataset, table, { cipherText, dek }));
  if (shape.specimens > 0) say(`${shapeWords(shape)}\n`);
  return shape;
}

const shapeWords = ({ format, fitting, specimens, dekEncoding }: SourceShape): string =>
  format === null
    ? `none of ${specimens} values looks like a format that Reseal reads`
    : `${fitting} of ${specimens} values look like ${format}${dekEncoding === null ? '' : `, data keys like ${dekEncoding}`}`;

/** The column that an application would most likely call so: by type, and of those by name. */
function likely(columns: readonly ExistingColumn[], type: string, name: RegExp, otherwise: string): string {
  const names = columns.filter((column) => column.type === type).map((column) => column.name);
  if (names.includes(otherwise)) return otherwise;
  return names.find((one) => name.test(one)) ?? otherwise;
}

function nextLines(stack: string, { file, alter }: Initialised): string {
  const columns =
    alter === null ? '' : `\nThe table lacks columns that Reseal fills. Add them first:\n\n${alter}\n`;
  return `wrote ${file}
${columns}
next: npm run bundle
      pulumi stack init ${stack}
      pulumi up --stack ${stack}
      npm run reseal -- doctor --stack ${stack}
`;
}
