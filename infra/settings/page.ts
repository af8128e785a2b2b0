import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { notesOf } from '../../jobs/contract/settings/setting.ts';
import { settingGroups } from './schema.ts';

/** Where the page lives; `npm run docs:settings` writes it, a test compares it with this program's. */
export const SETTINGS_PAGE = 'docs/settings.md';

const HEAD = `# Settings

Every setting of a stack: a key under \`reseal:\` in \`Pulumi.<stack>.yaml\`, or \`pulumi config set reseal:KEY VALUE\`. All but \`project\` have a default. A wrong configuration fails with everything that is wrong at once.

This page is generated from the schema in \`infra/settings/\` by \`npm run docs:settings\`.
`;

const RULES = `## Rules between settings

- \`jarFile\` and \`mainClass\` go together. With them \`fields\` is one field, and \`engines\` has \`dataproc\`.
- Without \`dataproc\` or \`bigquery\` among the \`engines\` nothing starts by itself: \`schedule\` is paused, and there is no \`composerDagBucket\`.
- \`bigqueryKek\`, \`cmek\`, \`columnPolicyTag\` and \`subnetwork\`, where they name something, name it in \`location\`. \`sourceKek\` may be anywhere.
- \`unauthenticated\` is \`accept\` with the format \`dotted\` only. \`valuePattern\` is for a single field, and not with \`jarFile\`.
- \`kmsCallsPerSecond\` stays under \`alerts.kmsQuotaShare\` of \`kmsQuotaPerMinute\`.
- \`readDataset\` is not \`dataset\`.
- \`partitionColumn\` is for a source table of your own: \`createSourceTable\` is false.
- The seven tables differ, and so do the columns of all fields; only data keys may be shared. No field is named \`id\`, like \`idColumn\` or like another one with \`_unreadable\` behind it. Upper and lower case are the same, as they are to BigQuery.
- A stack named \`prod\`, \`production\` or \`…-prod\` is production: \`engines\` has no \`direct\`, \`deletionProtection\` is true, and \`storePlaintext\` needs \`columnPolicyTag\`.
- The stack's own name is 2 to 14 lower-case letters, digits and hyphens.
`;

/** A cell of a table: no bar and no line break. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** What a value may be, in words, from the schema itself. */
function kind(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as {
    type?: string;
    enum?: string[];
    anyOf?: unknown[];
  };
  if (json.enum !== undefined) return json.enum.map((value) => `\`${value}\``).join(', ');
  const names: Record<string, string> = {
    string: 'text',
    integer: 'whole number',
    number: 'number',
    boolean: 'true or false',
    array: 'list',
    object: 'map',
  };
  return names[json.type ?? ''] ?? 'see example';
}

/** The default as it would stand in a stack's file; the notes' words where no constant says it. */
function fallback(schema: z.ZodType): string {
  const { absent } = notesOf(schema);
  if (absent !== undefined) return absent;
  const parsed = schema.safeParse(undefined);
  if (!parsed.success) return '**required**';
  const value: unknown = parsed.data;
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

/** The whole page. */
export function settingsPage(): string {
  const sections = settingGroups.map(({ title, settings }) => {
    const entries = Object.entries<z.ZodType>(settings);
    const seeded = entries.some(([, schema]) => notesOf(schema).seed !== undefined);
    const rows = entries.map(([name, schema]) => {
      const { description, example, seed } = notesOf(schema);
      const cells = [`\`${name}\``, description, kind(schema), fallback(schema), `\`${example}\``];
      if (seeded) cells.push(seed === undefined ? '' : `\`${seed}\``);
      return `| ${cells.map(cell).join(' | ')} |`;
    });
    const columns = ['setting', 'what it decides', 'value', 'default', 'example'];
    if (seeded) columns.push('variable of the DAG');
    const head = `| ${columns.join(' | ')} |\n|${columns.map(() => '---').join('|')}|`;
    return `## ${title}\n\n${head}\n${rows.join('\n')}\n`;
  });
  return [HEAD, ...sections, RULES].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeFileSync(SETTINGS_PAGE, settingsPage());
