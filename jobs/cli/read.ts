import { ResealError } from '../contract/errors.ts';
import type { Field } from '../contract/fields.ts';
import type { Row } from '../google/bigquery.ts';
import { write } from './output.ts';
import { csvLine } from './print-rows.ts';
import { reading } from './reading.ts';

export interface ReadOptions {
  readonly stack?: string;
  readonly state: string;
  readonly limit?: number;
  readonly format: 'ndjson' | 'csv';
}

const namesOf = (fields: readonly Field[]): string[] => ['id', ...fields.map(({ name }) => name)];

/**
 * Prints id and decrypted values. The one command whose purpose is plaintext; ids stay text. A value that does not
 * open is null, and named as unreadable; it breaks no other's read.
 */
export async function read(options: ReadOptions): Promise<void> {
  await reading(options, async (context) => {
    const {
      bigquery,
      sql,
      deployment: { fields },
    } = context;
    const { unreadableColumn } = await import('../contract/sql/index.ts');
    const { newestChains } = await import('../run/keyset.ts');
    const chains = await newestChains(context);
    if (chains === null)
      throw new ResealError('nothing-resealed', 'no run has re-encrypted anything here yet', {
        hint: 'run `npm run trigger` first',
      });
    const names = namesOf(fields);
    /** The fields of a row whose sealed value does not open. */
    const unreadableOf = (row: Row): string[] =>
      fields.filter((field) => row[unreadableColumn(field)] === 'true').map(({ name }) => name);
    const ndjsonLine = (row: Row): string => {
      const cells = Object.fromEntries(names.map((name) => [name, row[name] ?? null]));
      const unreadable = unreadableOf(row);
      return `${JSON.stringify(unreadable.length === 0 ? cells : { ...cells, unreadable })}\n`;
    };
    const line =
      options.format === 'csv' ? (row: Row) => csvLine(names.map((name) => row[name] ?? null)) : ndjsonLine;
    if (options.format === 'csv') await write(csvLine(names));
    const values = { ...chains, row_limit: options.limit ?? Number.MAX_SAFE_INTEGER };
    let unreadable = 0;
    for await (const page of bigquery.pages(sql.readValues, values)) {
      const rows = page.rows();
      for (const row of rows) unreadable += unreadableOf(row).length;
      await write(rows.map(line).join(''));
    }
    if (unreadable > 0)
      process.stderr.write(
        `${unreadable} sealed values do not open; --mode all seals them anew from the source\n`,
      );
  });
}
