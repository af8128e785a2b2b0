import { directEngine } from '../../jobs/engines/direct/index.ts';
import { bigQueryService } from '../../jobs/google/bigquery.ts';
import type { Backend } from '../bigquery/duckdb/backend.ts';
import { tableSql } from '../bigquery/duckdb/catalog.ts';
import { rows } from '../bigquery/duckdb/engine.ts';
import type { Caller } from '../http/caller.ts';
import { endpointsOf } from '../http/endpoints.ts';
import { onBigQueryProject, onTable } from '../iam/resources.ts';
import { argument, directWork } from './arguments.ts';
import type { DriverOutput } from './batches.ts';

/**
 * The direct engine in a batch's place, for tests of what goes on around a batch. It runs only where the sandbox
 * was started with `dataproc: 'direct'`.
 */
export async function runDirect(
  backend: Backend,
  args: ReadonlyMap<string, string>,
  cloud: { origin: string; token: string },
  output: DriverOutput,
  signal: AbortSignal,
): Promise<void> {
  const { deployment, input } = directWork(args, await wrappedKeyset(backend, args));
  const endpoints = endpointsOf(cloud.origin, cloud.token);
  const engine = directEngine(deployment, await bigQueryService(deployment, endpoints), endpoints);
  const line = (members: object): void => output.write(`${JSON.stringify(members)}\n`);
  const { kmsCalls } = await engine.stage(
    input,
    (now) => line({ reseal: 'progress', phase: 'seal', ...now }),
    signal,
  );
  line({ reseal: 'counts', kms_calls: kmsCalls });
}

/**
 * What the BigQuery connector would ask of BigQuery for the batch's account: a read session on each table that the
 * application reads. The direct engine runs statements in their place.
 */
export function admitConnector(account: Caller, project: string, args: ReadonlyMap<string, string>): void {
  const table = (name: string) => onTable(project, argument(args, 'dataset-id'), argument(args, name));
  account.require('bigquery.readsessions.create', onBigQueryProject(project));
  const beside = { all: [], stale: ['runs-table'] }[argument(args, 'mode')] ?? ['rejected-table'];
  for (const name of ['keysets-table', 'source-table', ...beside])
    account.require('bigquery.tables.getData', table(name));
}

/** The wrapped keyset of the batch's version. */
async function wrappedKeyset(
  { engine, catalog }: Backend,
  args: ReadonlyMap<string, string>,
): Promise<Buffer> {
  const table = tableSql(catalog.table(argument(args, 'dataset-id'), argument(args, 'keysets-table')));
  const sql = `SELECT to_base64(wrapped) FROM ${table} WHERE version = $version`;
  const version = BigInt(argument(args, 'keyset-version'));
  const [[wrapped] = []] = await engine.use((connection) => rows(connection, sql, { version }));
  if (wrapped === undefined) throw new Error(`there is no keyset of version ${version}`);
  return Buffer.from(String(wrapped), 'base64');
}
