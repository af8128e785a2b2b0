import { identifier, partitionColumn } from './patterns.ts';
import { setting } from './setting.ts';

/** What the stack's dataset, tables and procedure are called. */
export const tableSettings = {
  dataset: setting(identifier.default('encryption_poc'), {
    description: 'The BigQuery dataset to create.',
    example: 'encryption_poc',
    seed: 'dataproc_bigquery_dataset_id',
  }),
  sourceTable: setting(identifier.default('users'), {
    description: 'The table whose values are re-encrypted.',
    example: 'users',
    seed: 'dataproc_bigquery_source_table',
  }),
  partitionColumn: setting(partitionColumn.optional(), {
    description:
      'The column that a source table of your own is partitioned by. Every statement then has the filter that `require_partition_filter` asks for, and the merge goes through no more partitions than those from the first to the last that it changes rows in, and rows without one.',
    example: 'created_on',
    absent: 'every partition is read and merged',
  }),
  destinationTable: setting(identifier.default('users_temp'), {
    description: 'The staging table that batches write to before the merge.',
    example: 'users_temp',
    seed: 'dataproc_bigquery_destination_table',
  }),
  rejectedTable: setting(identifier.default('users_rejected'), {
    description: 'The table for values that could not be re-encrypted, and why.',
    example: 'users_rejected',
  }),
  keysetsTable: setting(identifier.default('keysets'), {
    description: 'The table for the wrapped first-level keysets.',
    example: 'keysets',
  }),
  shreddedTable: setting(identifier.default('users_shredded'), {
    description: 'The table that says which values an operator shredded, and when.',
    example: 'users_shredded',
  }),
  dataKeysTable: setting(identifier.default('data_keys'), {
    description:
      'The table that the engine inside BigQuery opens values with: data keys of a run, sealed; its rows go with the run, and expire within a day.',
    example: 'data_keys',
  }),
  runsTable: setting(identifier.default('runs'), {
    description: 'The ledger: one row a run.',
    example: 'runs',
  }),
  readDataset: setting(identifier.optional(), {
    description:
      'The dataset to create for the view and the procedure that read the values: they read the other one, and live beside it.',
    example: 'encryption_poc_read',
    absent: '`<dataset>_read`',
  }),
  readView: setting(identifier.default('users'), {
    description: 'The view that analysts query: the ids, and every field in the clear.',
    example: 'users',
  }),
  readProcedure: setting(identifier.default('read_users'), {
    description: 'The stored procedure that reads the values back.',
    example: 'read_users',
  }),
};

/**
 * Which setting names which table. Inside the program a table is known by its part in a run; `destinationTable`
 * keeps the name that the Composer DAG gave to what is the staging table here.
 */
export const TABLE_SETTINGS = {
  source: 'sourceTable',
  staging: 'destinationTable',
  rejected: 'rejectedTable',
  shredded: 'shreddedTable',
  keysets: 'keysetsTable',
  dataKeys: 'dataKeysTable',
  runs: 'runsTable',
} as const satisfies Readonly<Record<string, keyof typeof tableSettings>>;
export type TableName = keyof typeof TABLE_SETTINGS;
export const TABLE_NAMES = Object.keys(TABLE_SETTINGS) as readonly TableName[];

/**
 * The table ids of a stack, by the tables' parts in a run.
 *
 * @example
 * tableIds(settings).staging; // 'users_temp', the value of destinationTable
 */
export const tableIds = (
  settings: Readonly<Record<(typeof TABLE_SETTINGS)[TableName], string>>,
): Record<TableName, string> =>
  Object.fromEntries(TABLE_NAMES.map((name) => [name, settings[TABLE_SETTINGS[name]]])) as Record<
    TableName,
    string
  >;
