import { stringify } from 'yaml';
import { ResealError } from '../contract/errors.ts';
import { withColumns } from '../contract/fields.ts';
import type { IdType, Keying, SourceFormat } from '../contract/settings/choices.ts';
import { isProduction } from '../contract/stack-name.ts';
import { sourceColumns } from '../contract/tables.ts';
import { columnNamed } from './existing-columns.ts';
import type { ExistingTable } from './existing-table.ts';
import { settingFaults } from './setting-faults.ts';

/** What a stack's file says of the stack; what is null keeps the setting's default. */
export interface StackChoices {
  readonly stack: string;
  readonly project: string;
  readonly location: string;
  readonly dataset: string;
  readonly table: string;
  /** Whether the stack creates dataset and table; else they are the application's, and used as they are. */
  readonly createSourceTable: boolean;
  readonly idColumn: string;
  readonly idType: IdType;
  readonly field: string;
  readonly cipherText: string;
  readonly dek: string;
  readonly sourceFormat: SourceFormat;
  readonly keying: Keying;
  readonly sourceKek: string | null;
  readonly partitionColumn: string | null;
}

type Entry = readonly [setting: string, value: unknown, comment: string];

/**
 * The stack's file, `Pulumi.NAME.yaml`: each setting with a sentence on what it decides. docs/settings.md has the rest.
 *
 * @example
 * stackFile({ stack: 'dev', project: 'my-project', … }); // '# Stack dev. …\nconfig:\n  …'
 *
 * @throws ResealError `init-setting` for settings that the program would refuse
 */
export function stackFile(choices: StackChoices): string {
  const written = entries(choices);
  const settings = written.flatMap(([setting, value]) => {
    const [namespace, name] = setting.split(':');
    return namespace === 'reseal' ? [[name, value]] : [];
  });
  const faults = settingFaults(Object.fromEntries(settings));
  if (faults.length > 0)
    throw new ResealError('init-setting', faults.join('; '), {
      hint: 'choose otherwise: `npm run reseal -- init --help` lists the options, docs/settings.md the settings',
    });
  const lines = written.map(([setting, value, comment]) => {
    const [first = '', ...more] = stringify({ [setting]: value }, { lineWidth: 0 })
      .trimEnd()
      .split('\n');
    return [`# ${comment}`, first, ...more].map((line) => `  ${line}\n`).join('');
  });
  const head = `# Stack ${choices.stack}, as \`reseal init\` wrote it. docs/settings.md lists every setting.\n`;
  return `${head}config:\n${lines.join('')}`;
}

function entries(choices: StackChoices): Entry[] {
  const { stack, createSourceTable, sourceFormat } = choices;
  return [
    [
      'gcp:disableGlobalProjectWarning',
      true,
      'Resources name their project themselves (reseal:project); the provider needs none of its own.',
    ],
    ['reseal:project', choices.project, 'The Google Cloud project that everything is created in.'],
    ['reseal:location', choices.location, 'The one region of dataset, batches, bucket, keys and workflow.'],
    ['reseal:dataset', choices.dataset, 'The dataset of the source table and of those that Reseal adds.'],
    ['reseal:sourceTable', choices.table, 'The table whose values are re-encrypted.'],
    [
      'reseal:createSourceTable',
      createSourceTable,
      createSourceTable
        ? 'They are created.'
        : 'Dataset and table are the application’s: they are used as they are.',
    ],
    ['reseal:idColumn', choices.idColumn, 'The column that identifies a row.'],
    ...(choices.idType === 'INT64'
      ? []
      : ([['reseal:idType', choices.idType, 'The type of that column.']] satisfies Entry[])),
    [
      'reseal:fields',
      [{ name: choices.field, cipherText: choices.cipherText, dek: choices.dek }],
      'The encrypted values of a row: the column of the cipher text, and that of its wrapped data key.',
    ],
    ['reseal:sourceFormat', sourceFormat, 'How the application encrypted the values (docs/settings.md).'],
    [
      'reseal:keying',
      choices.keying,
      'row: a key a row; shared: one for all; deterministic: equal values of a field are equal (docs/analysts.md).',
    ],
    ...optional('reseal:sourceKek', choices.sourceKek, 'The key of Cloud KMS that wraps the data keys.'),
    ...optional('reseal:partitionColumn', choices.partitionColumn, 'What the table is partitioned by.'),
    ['reseal:storePlaintext', false, 'No value is stored in the clear.'],
    ...(isProduction(stack)
      ? ([['reseal:engines', ['dataproc'], 'Production runs batches alone.']] satisfies Entry[])
      : []),
    [
      'reseal:schedule',
      { cron: '0 3 * * *', timeZone: 'Etc/UTC', paused: true },
      'A run a day; set paused to false once you have seen a run go well.',
    ],
  ];
}

const optional = (setting: string, value: string | null, comment: string): Entry[] =>
  value === null ? [] : [[setting, value, comment]];

/**
 * The statement that adds the columns which the application's table lacks; null where it has all of them. One whose
 * columns nobody could see takes the statement for all: it adds none twice. What Reseal
 * reads, the id, the cipher text and the data key, is never among them. They are NULLABLE: BigQuery adds no others to a table with rows.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#alter_table_add_column_statement
 *
 * @example
 * missingColumns(choices, table); // 'ALTER TABLE `my-project.crm.users`\n  ADD COLUMN …'
 */
export function missingColumns(
  choices: StackChoices,
  { columns }: Pick<ExistingTable, 'columns'>,
): string | null {
  const { project, dataset, table, idColumn, idType, field, cipherText, dek } = choices;
  const lacking = sourceColumns({
    idColumn,
    idType,
    fields: withColumns([{ name: field, cipherText, dek }]),
  }).filter(({ name }) => ![idColumn, cipherText, dek].includes(name) && !columnNamed(columns, name));
  if (lacking.length === 0) return null;
  const added = lacking.map(({ name, type }) => `  ADD COLUMN IF NOT EXISTS ${name} ${type}`);
  return `ALTER TABLE \`${project}.${dataset}.${table}\`\n${added.join(',\n')};`;
}
