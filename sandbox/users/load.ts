import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { BigQuery } from '@google-cloud/bigquery';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { ResealError } from '../../jobs/contract/errors.ts';
import { bigQueryClient } from '../../jobs/google/clients.ts';
import { call } from '../http/client.ts';
import type { SandboxEndpoints } from '../http/endpoints.ts';
import { type UsersFile, usersFile } from './file.ts';

export interface Loaded {
  inserted: number;
  changed: number;
  unchanged: number;
}

/**
 * Loads users (id, cipher_text, dek) from an NDJSON, CSV or Parquet file through BigQuery's load jobs: all of
 * them into an empty table, else new ones and changed ones by id.
 * @throws ResealError users-file, users-columns, users-row or users-duplicate-id
 */
export async function loadUsers(
  endpoints: SandboxEndpoints,
  deployment: Deployment,
  path: string,
): Promise<Loaded> {
  const file = await usersFile(path, deployment);
  const client = await bigQueryClient(deployment, endpoints);
  const dataset = client.dataset(deployment.dataset);
  const [{ numRows }] = await dataset.table(deployment.tables.source).getMetadata();
  if (numRows === '0') {
    const inserted = await load(client, deployment, deployment.tables.source, file);
    return { inserted, changed: 0, unchanged: 0 };
  }
  const scratch = `users_load_${randomUUID().replaceAll('-', '')}`;
  await dataset.createTable(scratch, { schema: file.schema });
  try {
    const total = await load(client, deployment, scratch, file);
    return await merge(client, deployment, scratch, file, total);
  } finally {
    await dataset.table(scratch).delete({ ignoreNotFound: true });
  }
}

async function load(
  client: BigQuery,
  { dataset, idColumn, idType }: Deployment,
  table: string,
  file: UsersFile,
): Promise<number> {
  try {
    const [job] = await client
      .dataset(dataset)
      .table(table)
      .load(file.path, {
        sourceFormat: file.format,
        schema: { fields: file.schema },
        writeDisposition: 'WRITE_APPEND',
        ignoreUnknownValues: true,
        ...(file.format === 'CSV' ? { skipLeadingRows: 1 } : {}),
      });
    return Number(job.statistics?.load?.outputRows ?? 0);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const said = message.replace(/^Error while reading data, error message: /, '');
    throw new ResealError('users-row', `${file.path} cannot be loaded: ${said}`, {
      hint: `every row needs ${idType === 'INT64' ? 'a whole number' : `a ${idType}`} as ${idColumn}, and texts as cipher text and data key`,
    });
  }
}

/** Scratch rows that are new or changed become the table's. */
async function merge(
  client: BigQuery,
  deployment: Deployment,
  scratch: string,
  file: UsersFile,
  total: number,
): Promise<Loaded> {
  const { project, dataset, tables, idColumn, location } = deployment;
  const name = (table: string): string => `\`${project}.${dataset}.${table}\``;
  const query = (sql: string) => client.createQueryJob({ query: sql, location });

  const [counting] = await query(
    `SELECT COUNT(*) AS n FROM (SELECT ${idColumn} FROM ${name(scratch)} GROUP BY ${idColumn} HAVING COUNT(*) > 1)`,
  );
  const [[row]] = await counting.getQueryResults();
  if (Number(row?.n) > 0) {
    throw new ResealError('users-duplicate-id', `${file.path} has ${row?.n} ids more than once`, {
      hint: 'start over with --fresh, or give every id once: rows are matched by it',
    });
  }
  const columns = file.schema.map((field) => field.name);
  const values = columns.filter((column) => column !== idColumn);
  const differs = values.map((column) => `u.\`${column}\` IS DISTINCT FROM s.\`${column}\``).join(' OR ');
  const [merging] = await query(
    `MERGE ${name(tables.source)} AS u
USING ${name(scratch)} AS s
ON u.\`${idColumn}\` = s.\`${idColumn}\`
WHEN MATCHED AND (${differs}) THEN UPDATE SET ${values.map((column) => `\`${column}\` = s.\`${column}\``).join(', ')}
WHEN NOT MATCHED THEN INSERT (${columns.map((column) => `\`${column}\``).join(', ')})
  VALUES (${columns.map((column) => `s.\`${column}\``).join(', ')})`,
  );
  await merging.getQueryResults();
  const [{ statistics }] = await merging.getMetadata();
  const { insertedRowCount = '0', updatedRowCount = '0' } = statistics.query?.dmlStats ?? {};
  const [inserted, changed] = [Number(insertedRowCount), Number(updatedRowCount)];
  return { inserted, changed, unchanged: total - inserted - changed };
}

/**
 * Makes a key file's material (`{"algorithm", "material_base64"}`) the primary version of the application's
 * key, so that data keys wrapped elsewhere under it can be unwrapped. @throws ResealError kek-file
 */
export async function importKek(
  endpoints: SandboxEndpoints,
  deployment: Deployment,
  path: string,
): Promise<void> {
  if (!existsSync(path)) throw new ResealError('kek-file', `there is no key file ${path}`);
  let material: unknown;
  try {
    material = (JSON.parse(readFileSync(path, 'utf8')) as { material_base64?: unknown }).material_base64;
  } catch {
    material = undefined;
  }
  if (typeof material !== 'string' || Buffer.from(material, 'base64').length !== 32) {
    throw new ResealError('kek-file', `${path} is not a key file: it needs material_base64, 32 bytes`, {
      hint: `${extname(path) === '.json' ? '' : 'a key file is JSON; '}see sandbox/users/samples/kek.json for one`,
    });
  }
  await call(endpoints.accessToken, 'POST', `${endpoints.control}/sandbox/v1/kms:import`, {
    name: deployment.sourceKek,
    materialBase64: material,
  });
}
