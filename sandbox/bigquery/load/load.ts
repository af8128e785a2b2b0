import { open } from 'node:fs/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { GoogleError } from '../../errors/google-error.ts';
import { type Json, objectOr, text } from '../../http/router.ts';
import { type Catalog, stored, type Table, tableSql } from '../duckdb/catalog.ts';
import { type Engine, rows } from '../duckdb/engine.ts';
import { remember } from '../duckdb/history.ts';
import { columnsOf, type SchemaField } from '../duckdb/schema.ts';
import { quote } from '../duckdb/types.ts';
import { type Input, readers } from './formats.ts';

export interface LoadOutcome {
  outputRows: number;
  inputFiles: number;
  inputFileBytes: number;
}

/**
 * A load job, whole or not at all. `files` are the uploaded media or the objects of sourceUris; `record` keeps the
 * job in the transaction that brings its rows, so that no restart knows one without the other.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#jobconfigurationload
 */
export async function load(
  engine: Engine,
  catalog: Catalog,
  configuration: Json,
  files: string[],
  record: (connection: DuckDBConnection, outcome: LoadOutcome) => Promise<void>,
): Promise<LoadOutcome> {
  const { datasetId, tableId } = objectOr(configuration.destinationTable);
  const [dataset, id] = [text(datasetId) ?? '', text(tableId) ?? ''];
  rejectUnsupported(configuration);
  let bytes = 0;
  for (const file of files) bytes += await sizeOf(file);
  return engine.exclusively(() =>
    engine.use(async (connection) => {
      await connection.run('BEGIN TRANSACTION');
      try {
        const table = await destination(connection, catalog, dataset, id, configuration);
        const kept = await remember(connection, catalog, table);
        if (configuration.writeDisposition === 'WRITE_TRUNCATE') {
          await connection.run(`DELETE FROM ${tableSql(table)}`);
        }
        let outputRows = 0;
        for (const file of files) outputRows += await one(connection, table, configuration, file);
        const outcome = { outputRows, inputFiles: files.length, inputFileBytes: bytes };
        await record(connection, outcome);
        await catalog.commit(connection, [kept]);
        return outcome;
      } catch (error) {
        await catalog.rollback(connection);
        throw error instanceof FailedFile ? await error.explain() : error;
      }
    }),
  );
}

class FailedFile extends Error {
  readonly explain: () => Promise<GoogleError>;

  constructor(explain: () => Promise<GoogleError>) {
    super('a file could not be loaded');
    this.explain = explain;
  }
}

function rejectUnsupported(configuration: Json): void {
  for (const key of [
    'schemaUpdateOptions',
    'hivePartitioningOptions',
    'projectionFields',
    'decimalTargetTypes',
  ]) {
    const value = configuration[key];
    if (value !== undefined && !(Array.isArray(value) && value.length === 0)) {
      throw new GoogleError('UNIMPLEMENTED', `The sandbox's load jobs have no ${key}.`);
    }
  }
  if (Number(configuration.maxBadRecords ?? 0) > 0) {
    throw new GoogleError('UNIMPLEMENTED', "The sandbox's load jobs have no maxBadRecords: a load is whole.");
  }
}

async function sizeOf(file: string): Promise<number> {
  const handle = await open(file);
  try {
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

async function destination(
  connection: DuckDBConnection,
  catalog: Catalog,
  dataset: string,
  id: string,
  configuration: Json,
): Promise<Table> {
  const known = catalog.findTable(dataset, id);
  if (known) stored(known, 'load into');
  if (!known) {
    if (configuration.createDisposition === 'CREATE_NEVER') return catalog.table(dataset, id);
    if (configuration.schema === undefined) {
      throw new GoogleError(
        'INVALID_ARGUMENT',
        `The sandbox needs a schema to create table ${dataset}.${id}: it detects none.`,
      );
    }
    return catalog.createTable(connection, dataset, id, { schema: configuration.schema });
  }
  if (configuration.writeDisposition === 'WRITE_EMPTY') {
    const [[count] = []] = await rows(connection, `SELECT count(*) FROM ${tableSql(known)}`);
    if (count !== 0n) {
      throw new GoogleError('ALREADY_EXISTS', `Already Exists: Table ${catalog.project}:${dataset}.${id}`);
    }
  }
  return known;
}

/** A load job's schema may leave columns out, but not change what the others are: nothing is relaxed unasked. */
function checkField(table: Table, { name, type, mode }: SchemaField): void {
  const mismatch = (what: string): GoogleError =>
    new GoogleError(
      'INVALID_ARGUMENT',
      `Provided Schema does not match Table ${table.dataset}.${table.id}. ${what}`,
    );
  const known = table.schema.find((field) => field.name.toLowerCase() === name.toLowerCase());
  if (!known) throw mismatch(`Cannot add fields (field: ${name})`);
  if (known.type !== type) throw mismatch(`Field ${name} has changed type from ${known.type} to ${type}`);
  if (known.mode !== mode) throw mismatch(`Field ${name} has changed mode from ${known.mode} to ${mode}`);
}

async function one(
  connection: DuckDBConnection,
  table: Table,
  configuration: Json,
  file: string,
): Promise<number> {
  const format = text(configuration.sourceFormat) ?? 'CSV';
  const reader = readers[format];
  if (!reader) throw new GoogleError('UNIMPLEMENTED', `The sandbox loads no ${format}.`);
  const given = columnsOf(objectOr(configuration.schema).fields);
  for (const field of given) checkField(table, field);
  const names = given.map(({ name }) => name.toLowerCase());
  const fields =
    given.length > 0 ? table.schema.filter(({ name }) => names.includes(name.toLowerCase())) : table.schema;
  const ordered =
    given.length > 0
      ? names.flatMap((name) => fields.filter((field) => field.name.toLowerCase() === name))
      : fields;
  const input: Input = { connection, file, fields: ordered, configuration };
  const select = await reader.select(input);
  try {
    const columns = ordered.map(({ name }) => quote(name)).join(', ');
    const result = await connection.run(`INSERT INTO ${tableSql(table)} (${columns}) ${select}`);
    return result.rowsChanged;
  } catch (error) {
    // Reading the file again for its bad row needs a connection without a failed transaction.
    throw new FailedFile(() => reader.explain(input, error));
  }
}
