import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { defaultsOf } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import { type Field, withColumns } from '../contract/fields.ts';
import type { Keying, SourceFormat } from '../contract/settings/choices.ts';
import { cryptoKey, identifier } from '../contract/settings/patterns.ts';
import { runSettings } from '../contract/settings/run-settings.ts';
import { tableSettings } from '../contract/settings/table-settings.ts';
import { STACK_NAME, STACK_NAME_RULE } from '../contract/stack-name.ts';
import type { Endpoints } from '../google/clients.ts';
import { columnNamed, idTypeOf } from '../setup/existing-columns.ts';
import { regionOf } from '../setup/look.ts';
import type { SourceShape } from '../setup/source-shape.ts';
import { missingColumns, type StackChoices, stackFile } from '../setup/stack-file.ts';
import { PROJECT_FOLDER } from '../stack/outputs.ts';
import { answers, type Dialogue } from './answers.ts';
import { asking } from './asking.ts';
import { columnsFor, shapeOf, tableOf } from './init-table.ts';

export interface InitOptions {
  readonly project?: string;
  readonly location?: string;
  readonly dataset?: string;
  readonly table?: string;
  /** Of a table that nobody can look at: that it is there, or that the stack creates it. */
  readonly exists?: boolean;
  readonly new?: boolean;
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

/** Where the dialogue takes place, and what comes of it goes. */
export interface Place extends Dialogue {
  /** Where the stack's file goes. */
  readonly folder: string;
  readonly endpoints?: Endpoints;
}

export interface Initialised {
  readonly file: string;
  readonly choices: StackChoices;
  /** Whether the table is there; null where nobody could look. */
  readonly exists: boolean | null;
  /** What the values look like; null where nobody could look. */
  readonly shape: SourceShape | null;
  /** The statement that adds what the application's table lacks, or may lack; null where it lacks nothing. */
  readonly alter: string | null;
}

/**
 * Asks, looks at the table where there is one, and writes `Pulumi.STACK.yaml`.
 *
 * @throws ResealError `init-stack`, `init-exists`, `init-setting`, `init-table`, `init-unseen`, `init-location`, `cancelled`
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
  const { table, looked, isThere } = await tableOf(ask, options, { project, dataset }, place);
  const found = looked.is === 'table' ? looked.table : null;
  const where = { project, dataset, table };
  // A table does not move: of one that is there nothing is asked.
  const there = found === null ? undefined : regionOf(where, found);
  const location = await ask({
    flag: '--location',
    question: 'region',
    given: options.location ?? there,
    // Nobody knows where a table is that nobody could look at.
    proposed: isThere ? undefined : usual.location,
    schema:
      there === undefined
        ? runSettings.location
        : z.literal(there, { error: `must be ${there}, where the table is` }),
  });
  const columns = found?.columns ?? null;
  const column = columnsFor(ask, columns, isThere);
  const idColumn = await column('id', options.idColumn, usual.idColumn, []);
  const cipherText = await column('cipherText', options.cipherText, columnsOf.cipherText, [idColumn]);
  const dek = await column('dek', options.dek, columnsOf.dek, [idColumn, cipherText]);
  const ids = columnNamed(columns ?? [], idColumn);
  const shape = await shapeOf(place.say, looked, where, { id: idColumn, cipherText, dek });
  const field = await ask({
    flag: '--field',
    question: 'name of what the values are',
    given: options.field ?? columnsOf.name,
    schema: identifier,
  });
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
    ...(!isThere || found?.rows === 0 ? { proposed: '' } : {}),
    schema: z.union([z.literal(''), cryptoKey], {
      error: 'must be the full name of a CryptoKey, without a version',
    }),
  });
  const choices: StackChoices = {
    stack,
    ...where,
    location,
    createSourceTable: !isThere,
    idColumn,
    idType: ids === undefined ? usual.idType : idTypeOf(ids),
    field,
    cipherText,
    dek,
    sourceFormat: sourceFormat as SourceFormat,
    keying: keying as Keying,
    sourceKek: sourceKek === '' ? null : sourceKek,
    partitionColumn: found?.partitionColumn ?? null,
  };
  writeFileSync(file, stackFile(choices));
  return {
    file,
    choices,
    exists: looked.is === 'unseen' ? null : isThere,
    shape,
    alter: isThere ? missingColumns(choices, found ?? { columns: [] }) : null,
  };
}

function nextLines(stack: string, { file, alter, exists }: Initialised): string {
  const lacking =
    exists === null
      ? 'Nobody looked at the table. Add the columns first that Reseal fills, as far as it lacks them:'
      : 'The table lacks columns that Reseal fills. Add them first:';
  const columns = alter === null ? '' : `\n${lacking}\n\n${alter}\n`;
  return `wrote ${file}
${columns}
next: npm run bundle
      pulumi stack init ${stack}
      pulumi up --stack ${stack}
      npm run reseal -- doctor --stack ${stack}
`;
}
