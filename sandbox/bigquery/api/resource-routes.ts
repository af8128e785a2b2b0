import type { DuckDBConnection } from '@duckdb/node-api';
import { GoogleError } from '../../errors/google-error.ts';
import { BIGQUERY, DATASET, ROUTINE, TABLE } from '../../http/paths.ts';
import {
  type Call,
  type Json,
  objectOr,
  Reply,
  type Route,
  readJson,
  required,
  text,
} from '../../http/router.ts';
import type { Policy } from '../../iam/policy.ts';
import { datasetName } from '../../iam/resources.ts';
import type { Backend } from '../duckdb/backend.ts';
import { type Catalog, type Dataset, isView, type Routine, type Table, tableSql } from '../duckdb/catalog.ts';
import { rows } from '../duckdb/engine.ts';
import { partitionCount } from '../duckdb/partitioning.ts';
import { columnsOf, restFields } from '../duckdb/schema.ts';
import { stream, streamingBuffer } from '../duckdb/streamed.ts';
import { tableBytes } from '../script/bytes.ts';
import { withAccess } from './dataset-access.ts';

/** Datasets, tables and routines: https://cloud.google.com/bigquery/docs/reference/rest */
export function resourceRoutes(backend: Backend, policy: Policy): Route[] {
  const { catalog, engine } = backend;
  /** One change of the catalog, whole or not at all. */
  const write = <T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> =>
    engine.exclusively(() =>
      engine.use(async (connection) => {
        await connection.run('BEGIN TRANSACTION');
        try {
          const result = await work(connection);
          await catalog.commit(connection, []);
          return result;
        } catch (error) {
          await catalog.rollback(connection);
          throw error;
        }
      }),
    );
  const dataset = ({ params }: Call): string => params.dataset ?? '';
  const table = ({ params }: Call): Table => catalog.table(params.dataset ?? '', params.table ?? '');

  const patchTable = async (call: Call): Promise<Json> => {
    const body = await readJson(call);
    const found = table(call);
    await write(async (connection) => {
      if (body.schema !== undefined) {
        await catalog.addColumns(connection, found, columnsOf(objectOr(body.schema).fields));
      }
      found.body = merged(found.body, body);
      await catalog.saveTable(connection, found);
    });
    return tableJson(backend, found, call.origin);
  };
  const patchDataset = async (call: Call): Promise<Json> => {
    const body = await readJson(call);
    const found = catalog.dataset(dataset(call));
    namesRoutines(catalog, body);
    found.body = merged(found.body, body);
    await write((connection) => catalog.save(connection, 'dataset', found.id, found));
    return datasetJson(catalog.project, found, call.origin);
  };

  return [
    {
      method: 'POST',
      path: `${BIGQUERY}/datasets`,
      handle: async (call) => {
        const body = await readJson(call);
        const id = required(objectOr(body.datasetReference).datasetId, 'datasetReference.datasetId');
        return datasetJson(
          catalog.project,
          await write((c) => catalog.createDataset(c, id, body)),
          call.origin,
        );
      },
    },
    {
      method: 'GET',
      path: `${BIGQUERY}/datasets`,
      // datasets.list shows what the caller may look at.
      handle: ({ origin, caller }) => ({
        kind: 'bigquery#datasetList',
        datasets: catalog.datasets
          .filter(({ id }) => caller.may('bigquery.datasets.get', datasetName(catalog.project, id)))
          .map((one) => datasetJson(catalog.project, one, origin)),
      }),
    },
    {
      method: 'GET',
      path: DATASET,
      handle: (call) =>
        withAccess(policy, datasetJson(catalog.project, catalog.dataset(dataset(call)), call.origin)),
    },
    { method: 'PATCH', path: DATASET, handle: patchDataset },
    { method: 'PUT', path: DATASET, handle: patchDataset },
    {
      method: 'DELETE',
      path: DATASET,
      handle: async (call) => {
        const contents = call.query.get('deleteContents') === 'true';
        await write((connection) => catalog.deleteDataset(connection, dataset(call), contents));
        return new Reply(204);
      },
    },
    {
      method: 'POST',
      path: `${DATASET}/tables`,
      handle: async (call) => {
        const body = await readJson(call);
        for (const kind of ['view', 'materializedView', 'externalDataConfiguration']) {
          if (body[kind] !== undefined) throw new GoogleError('UNIMPLEMENTED', `The sandbox has no ${kind}.`);
        }
        const id = required(objectOr(body.tableReference).tableId, 'tableReference.tableId');
        const created = await write((c) => catalog.createTable(c, dataset(call), id, body));
        return tableJson(backend, created, call.origin);
      },
    },
    {
      method: 'GET',
      path: `${DATASET}/tables`,
      handle: (call) => {
        catalog.dataset(dataset(call));
        const tables = catalog.tablesOf(dataset(call));
        return {
          kind: 'bigquery#tableList',
          totalItems: tables.length,
          tables: tables.map((one) => tableHead(catalog.project, one, call.origin)),
        };
      },
    },
    { method: 'GET', path: TABLE, handle: (call) => tableJson(backend, table(call), call.origin) },
    {
      method: 'POST',
      path: `${TABLE}/insertAll`,
      handle: async (call) => {
        const body = await readJson(call);
        const past = await write((connection) => stream(connection, catalog, table(call), body));
        past.show();
        return { kind: 'bigquery#tableDataInsertAllResponse' };
      },
    },
    { method: 'PATCH', path: TABLE, handle: patchTable },
    { method: 'PUT', path: TABLE, handle: patchTable },
    {
      method: 'DELETE',
      path: TABLE,
      handle: async (call) => {
        const { dataset: home, id } = table(call);
        await write((connection) => catalog.deleteTable(connection, home, id));
        return new Reply(204);
      },
    },
    {
      method: 'POST',
      path: `${DATASET}/routines`,
      handle: async (call) => {
        const body = await readJson(call);
        const id = required(objectOr(body.routineReference).routineId, 'routineReference.routineId');
        onlyProcedures(body);
        namesTables(catalog, body);
        if (catalog.hasRoutine(dataset(call), id)) {
          throw new GoogleError(
            'ALREADY_EXISTS',
            `Already Exists: Routine ${catalog.project}:${dataset(call)}.${id}`,
          );
        }
        const made = await write((c) => catalog.putRoutine(c, dataset(call), id, body));
        return routineJson(catalog.project, made);
      },
    },
    {
      method: 'GET',
      path: `${DATASET}/routines`,
      handle: (call) => ({
        routines: catalog.routinesOf(dataset(call)).map((routine) => routineJson(catalog.project, routine)),
      }),
    },
    {
      method: 'GET',
      path: ROUTINE,
      handle: ({ params }) =>
        routineJson(catalog.project, catalog.routine(params.dataset ?? '', params.routine ?? '')),
    },
    {
      method: 'PUT',
      path: ROUTINE,
      handle: async (call) => {
        const { id } = catalog.routine(dataset(call), call.params.routine ?? '');
        const body = await readJson(call);
        onlyProcedures(body);
        namesTables(catalog, body);
        return routineJson(
          catalog.project,
          await write((c) => catalog.putRoutine(c, dataset(call), id, body)),
        );
      },
    },
    {
      method: 'DELETE',
      path: ROUTINE,
      handle: async (call) => {
        await write((c) => catalog.deleteRoutine(c, dataset(call), call.params.routine ?? ''));
        return new Reply(204);
      },
    },
  ];
}

/** What a PATCH says is null is there no longer. https://cloud.google.com/bigquery/docs/api-performance#patch */
const merged = (known: Json, given: Json): Json =>
  Object.fromEntries(Object.entries({ ...known, ...given }).filter(([, value]) => value !== null));

function onlyProcedures({ routineType, language }: Json): void {
  if (routineType === 'PROCEDURE' && (language === undefined || language === 'SQL')) return;
  throw new GoogleError(
    'UNIMPLEMENTED',
    `The sandbox has SQL procedures only, no ${routineType} in ${language}.`,
  );
}

/** A table that a statement reads or changes, named in full. */
const TABLE_NAMES = /\b(?:FROM|JOIN|INTO|MERGE|UPDATE)\s+`[^`.]+\.([^`.]+)\.([^`.]+)`/gi;

/**
 * A procedure's tables have to be there, since `strictMode` is the default.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#create_procedure
 */
function namesTables(catalog: Catalog, { definitionBody, strictMode }: Json): void {
  if (strictMode === false) return;
  for (const [, dataset = '', table = ''] of (text(definitionBody) ?? '').matchAll(TABLE_NAMES))
    catalog.table(dataset, table);
}

/** A routine, and a dataset of views, that a dataset lets in has to be there. */
function namesRoutines(catalog: Catalog, { access }: Json): void {
  for (const entry of Array.isArray(access) ? access : []) {
    const { datasetId: views } = objectOr(objectOr(objectOr(entry).dataset).dataset);
    if (views !== undefined) catalog.dataset(String(views));
    const { datasetId, routineId } = objectOr(objectOr(entry).routine);
    if (routineId !== undefined) catalog.routine(required(datasetId, 'datasetId'), String(routineId));
  }
}

const datasetJson = (project: string, { id, body, createdMillis }: Dataset, origin: string): Json => ({
  kind: 'bigquery#dataset',
  location: 'US',
  ...body,
  id: `${project}:${id}`,
  selfLink: `${origin}/bigquery/v2/projects/${project}/datasets/${id}`,
  datasetReference: { projectId: project, datasetId: id },
  creationTime: String(createdMillis),
  lastModifiedTime: String(createdMillis),
});

const tableHead = (project: string, { dataset, id, body, createdMillis }: Table, origin: string): Json => ({
  kind: 'bigquery#table',
  type: isView({ body }) ? 'VIEW' : 'TABLE',
  ...body,
  ...partitioning(body),
  id: `${project}:${dataset}.${id}`,
  selfLink: `${origin}/bigquery/v2/projects/${project}/datasets/${dataset}/tables/${id}`,
  tableReference: { projectId: project, datasetId: dataset, tableId: id },
  creationTime: String(createdMillis),
});

/** Whatever a client sent: int64 properties of the API are decimal strings. */
function partitioning({ timePartitioning }: Json): Json {
  const { expirationMs, ...rest } = objectOr(timePartitioning);
  return expirationMs === undefined
    ? {}
    : { timePartitioning: { ...rest, expirationMs: String(expirationMs) } };
}

async function tableJson({ catalog, engine }: Backend, table: Table, origin: string): Promise<Json> {
  const size = isView(table) ? {} : await engine.use((connection) => sizeJson(connection, table));
  return {
    ...tableHead(catalog.project, table, origin),
    schema: { fields: restFields(table.schema) },
    location: text(catalog.dataset(table.dataset).body.location) ?? 'US',
    lastModifiedTime: String(table.changedMillis),
    ...size,
    ...streamingBuffer(table),
  };
}

async function sizeJson(connection: DuckDBConnection, table: Table): Promise<Json> {
  const [[count] = []] = await rows(connection, `SELECT count(*) FROM ${tableSql(table)}`);
  const partitions = await partitionCount(connection, table);
  return {
    numRows: String(count),
    numBytes: String(await tableBytes(connection, table, Number(count))),
    ...(partitions === undefined ? {} : { numPartitions: String(partitions) }),
  };
}

const routineJson = (project: string, { dataset, id, body, createdMillis }: Routine): Json => ({
  ...body,
  routineReference: { projectId: project, datasetId: dataset, routineId: id },
  creationTime: String(createdMillis),
});
