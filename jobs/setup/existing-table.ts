import type { BigQuery } from '@google-cloud/bigquery';
import { bigQueryFailure, googleFailure } from '../google/failures.ts';
import type { ExistingColumn } from './existing-columns.ts';
import type { Specimen } from './source-shape.ts';

/** A table that an application has already. */
export interface ExistingTable {
  readonly columns: readonly ExistingColumn[];
  /** In lower case, as regions are written: BigQuery writes a multi-region `US`. */
  readonly location: string;
  readonly rows: number;
  /** The column that it is partitioned by; null for none, and where it is partitioned by ingestion time. */
  readonly partitionColumn: string | null;
}

/**
 * What BigQuery says of a table: tables.get, which reads no row of it and costs nothing. Null where there is none.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/get
 *
 * @throws ResealError of BigQuery's, `no-credentials` and the like
 */
export async function existingTable(
  client: BigQuery,
  dataset: string,
  table: string,
): Promise<ExistingTable | null> {
  const [found] = await unlessMissing(client.dataset(dataset).table(table).getMetadata());
  if (found === undefined) return null;
  return {
    columns: found.schema?.fields ?? [],
    location: String(found.location ?? '').toLowerCase(),
    rows: Number(found.numRows ?? 0),
    partitionColumn: found.timePartitioning?.field ?? found.rangePartitioning?.field ?? null,
  };
}

/** So many names of tables say which one was meant. */
const NAMES = 20;

/**
 * The names of the tables of a dataset, the first of them; null where there is no such dataset.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/list
 *
 * @throws ResealError of BigQuery's
 */
export async function tablesOf(client: BigQuery, dataset: string): Promise<string[] | null> {
  const first = { maxResults: NAMES, autoPaginate: false };
  const [tables] = await unlessMissing(client.dataset(dataset).getTables(first));
  return tables?.map(({ id }) => id ?? '') ?? null;
}

/** What a call answers, or nothing where it asked for what is not there. */
async function unlessMissing<T extends readonly unknown[]>(call: Promise<T>): Promise<T | []> {
  try {
    return await call;
  } catch (error) {
    if (googleFailure(error).status === 'NOT_FOUND') return [];
    throw bigQueryFailure('table', error);
  }
}

/** So many values say what they look like; no more of them leave the table. */
const SPECIMENS = 20;

interface RowSpecimen extends Specimen {
  /** Whether the row has an id: no run takes one without. */
  readonly hasId: boolean;
}

/**
 * A few values with their data keys, in the clear text of neither: tabledata.list, which is not billed.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list
 *
 * @throws ResealError of BigQuery's
 */
export async function specimensOf(
  client: BigQuery,
  dataset: string,
  table: string,
  columns: { readonly id: string; readonly cipherText: string; readonly dek: string },
): Promise<RowSpecimen[]> {
  try {
    const selectedFields = Object.values(columns).join(',');
    const [rows] = await client
      .dataset(dataset)
      .table(table)
      .getRows({ maxResults: SPECIMENS, autoPaginate: false, selectedFields });
    return (rows as Record<string, string | null>[])
      .map((row) => ({
        hasId: row[columns.id] !== null,
        cipherText: row[columns.cipherText] ?? '',
        dek: row[columns.dek] ?? '',
      }))
      .filter(({ cipherText }) => cipherText !== '');
  } catch (error) {
    throw bigQueryFailure('table', error);
  }
}
