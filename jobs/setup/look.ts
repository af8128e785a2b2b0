import type { BigQuery } from '@google-cloud/bigquery';
import { ResealError } from '../contract/errors.ts';
import { region } from '../contract/settings/patterns.ts';
import { bigQueryClient, type Endpoints } from '../google/clients.ts';
import { type ExistingTable, existingTable, tablesOf } from './existing-table.ts';

/** What there is already of what a stack needs. */
export type Looked =
  | { readonly is: 'table'; readonly table: ExistingTable; readonly client: BigQuery }
  /** Neither dataset nor table: the stack creates both. */
  | { readonly is: 'nothing' }
  /** A dataset, without the table: a stack creates both, or none. `tables` are the first that it has. */
  | { readonly is: 'dataset'; readonly tables: readonly string[] }
  /** Nobody may look, or there is no network. */
  | { readonly is: 'unseen'; readonly why: string };

/** What is looked for. */
export interface Sought {
  readonly project: string;
  readonly dataset: string;
  readonly table: string;
}

/** Looks at the dataset and the table. Reads no row, and throws nothing: who cannot look is told why. */
export async function look({ project, dataset, table }: Sought, endpoints?: Endpoints): Promise<Looked> {
  try {
    const client = await bigQueryClient({ project }, endpoints);
    const found = await existingTable(client, dataset, table);
    if (found !== null) return { is: 'table', table: found, client };
    const tables = await tablesOf(client, dataset);
    return tables === null ? { is: 'nothing' } : { is: 'dataset', tables };
  } catch (error) {
    return { is: 'unseen', why: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * The region of a table that is there.
 *
 * @throws ResealError `init-location` for a multi-region: `US`, `EU`
 */
export function regionOf({ project, dataset, table }: Sought, { location }: ExistingTable): string {
  if (region.safeParse(location).success) return location;
  throw new ResealError(
    'init-location',
    `${project}.${dataset}.${table} is in ${location.toUpperCase()}, which is not one region: batches and keys live in one`,
    {
      hint: 'copy the dataset into one of a region (https://cloud.google.com/bigquery/docs/copying-datasets) and name that one with --dataset',
    },
  );
}

/** The error for a table that a dataset lacks: `init-table`. */
export function noTable({ project, dataset, table }: Sought, tables: readonly string[]): ResealError {
  const has = tables.length === 0 ? 'it has none' : `it has ${tables.join(', ')}`;
  return new ResealError(
    'init-table',
    `the dataset ${project}.${dataset} is there, but has no table ${table}: ${has}`,
    {
      hint: 'name a table that it has with --table, or create it first; for a table that the stack creates take a dataset that is not there yet, with --dataset',
    },
  );
}
