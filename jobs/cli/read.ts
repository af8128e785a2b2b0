import { once } from 'node:events';
import { ResealError } from '../contract/errors.ts';
import { statements } from '../contract/sql/index.ts';
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

type Line = (names: readonly string[], row: Row) => string;

const csvLine: Line = (names, row) => `${names.map((name) => csvField(row[name] ?? null)).join(',')}\r\n`;

const ndjsonLine: Line = (names, row) =>
  `${JSON.stringify(Object.fromEntries(names.map((name) => [name, row[name] ?? null])))}\n`;

/** Prints id and decrypted values. The one command whose purpose is plaintext; ids stay text. */
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
    const names = ['id', ...deployment.fields.map((field) => field.name)];
    const line = options.format === 'csv' ? csvLine : ndjsonLine;
    if (options.format === 'csv') await write(`${names.join(',')}\r\n`);
    const values = { keyset: keyset.wrapped ?? null, row_limit: options.limit ?? Number.MAX_SAFE_INTEGER };
    for await (const page of bigquery.pages(sql.readValues, values))
      await write(
        page
          .rows()
          .map((row) => line(names, row))
          .join(''),
      );
  } finally {
    await target.close();
  }
}

async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
