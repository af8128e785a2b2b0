import { once } from 'node:events';
import { ResealError } from '../contract/errors.ts';
import type { Field } from '../contract/fields.ts';
import { statements, unreadableColumn } from '../contract/sql/index.ts';
import { bigQueryService, type Row } from '../google/bigquery.ts';
import { openTarget } from './open-target.ts';

export interface ReadOptions {
  readonly stack?: string;
  readonly state: string;
  readonly limit?: number;
  readonly format: 'ndjson' | 'csv';
}

/** RFC 4180 §2: fields with a comma, a quote or a line break are quoted, quotes doubled. */
const csvField = (text: string | null): string =>
  text === null ? '' : /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

type Line = (fields: readonly Field[], row: Row) => string;

const namesOf = (fields: readonly Field[]): string[] => ['id', ...fields.map(({ name }) => name)];

/** The fields of a row whose sealed value does not open. */
const unreadableOf = (fields: readonly Field[], row: Row): string[] =>
  fields.filter((field) => row[unreadableColumn(field)] === 'true').map(({ name }) => name);

const csvLine: Line = (fields, row) =>
  `${namesOf(fields)
    .map((name) => csvField(row[name] ?? null))
    .join(',')}\r\n`;

function ndjsonLine(fields: readonly Field[], row: Row): string {
  const cells = Object.fromEntries(namesOf(fields).map((name) => [name, row[name] ?? null]));
  const unreadable = unreadableOf(fields, row);
  return `${JSON.stringify(unreadable.length === 0 ? cells : { ...cells, unreadable })}\n`;
}

/**
 * Prints id and decrypted values. The one command whose purpose is plaintext; ids stay text. A value that does not
 * open is null, and named as unreadable; it breaks no other's read.
 */
export async function read(options: ReadOptions): Promise<void> {
  const target = await openTarget({ ...options, mustExist: true }, () => true);
  try {
    const { deployment, endpoints } = target;
    const bigquery = await bigQueryService(deployment, endpoints);
    const sql = statements(deployment);
    const [keyset] = await bigquery.query(sql.newestKeyset, {});
    if (keyset === undefined)
      throw new ResealError('nothing-resealed', 'no run has re-encrypted anything here yet', {
        hint: 'run `npm run trigger` first',
      });
    const { fields } = deployment;
    const line = options.format === 'csv' ? csvLine : ndjsonLine;
    if (options.format === 'csv') await write(`${namesOf(fields).join(',')}\r\n`);
    const values = { keyset: keyset.wrapped ?? null, row_limit: options.limit ?? Number.MAX_SAFE_INTEGER };
    let unreadable = 0;
    for await (const page of bigquery.pages(sql.readValues, values)) {
      const rows = page.rows();
      for (const row of rows) unreadable += unreadableOf(fields, row).length;
      await write(rows.map((row) => line(fields, row)).join(''));
    }
    if (unreadable > 0)
      process.stderr.write(
        `${unreadable} sealed values do not open; --mode all seals them anew from the source\n`,
      );
  } finally {
    await target.close();
  }
}

async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
