import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BigQuery } from '@google-cloud/bigquery';
import type { KeyManagementServiceClient } from '@google-cloud/kms';
import type { Storage } from '@google-cloud/storage';
import { OAuth2Client } from 'google-auth-library';
import { kmsClient, storageClient } from '../../jobs/google/clients.ts';
import { endpointsOf } from '../../sandbox/http/endpoints.ts';
import { type Server, startServer } from '../../sandbox/process/server.ts';
import { aDeployment } from './deployment.ts';

export const PROJECT = 'example-project';
export const LOCATION = 'us-central1';
export const RING = `projects/${PROJECT}/locations/${LOCATION}/keyRings/ring`;
export const KEY = `${RING}/cryptoKeys/bigquery`;
export const SOURCE = `${RING}/cryptoKeys/source`;

/** Parameters by name: `[type, value]`, the value as REST has it. */
export type Params = Record<string, [type: string, value: string | null]>;

export interface Harness {
  state: string;
  origin: string;
  /** The project owner's access token. */
  token: string;
  bigquery: BigQuery;
  kms: KeyManagementServiceClient;
  storage: Storage;
  /** A call of any kind; the answer's JSON beside its status. */
  rest(method: string, path: string, body?: unknown): Promise<{ status: number; body: Answer }>;
  /** Runs a script and returns its cells as REST has them. @throws Error with BigQuery's message */
  sql(query: string, params?: Params): Promise<(string | null)[][]>;
  /** The message with which a script fails. */
  failure(query: string, params?: Params): Promise<string>;
  /** Stops the server and starts one on the same folder. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, looked into by the tests
export type Answer = any;

export function auth(token: string): OAuth2Client {
  const client = new OAuth2Client();
  client.setCredentials({ access_token: token, expiry_date: Number.MAX_SAFE_INTEGER });
  return client;
}

/** A server of a test file's own, with a key ring, two keys and a dataset `poc`. */
export async function harness(): Promise<Harness> {
  const state = mkdtempSync(join(tmpdir(), 'reseal-sandbox-'));
  let server = await startServer({ state, project: PROJECT });
  const self: Harness = {
    state,
    ...(await clients(server)),
    async rest(method, path, body) {
      const response = await fetch(`${self.origin}${path}`, {
        method,
        headers: { authorization: `Bearer ${self.token}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
    },
    async sql(query, params = {}) {
      const { status, body } = await self.rest('POST', `/bigquery/v2/projects/${PROJECT}/queries`, {
        query,
        useLegacySql: false,
        location: LOCATION,
        parameterMode: 'NAMED',
        formatOptions: { useInt64Timestamp: true },
        queryParameters: Object.entries(params).map(([name, [type, value]]) => ({
          name,
          parameterType: { type },
          parameterValue: value === null ? {} : { value },
        })),
      });
      if (status !== 200) throw new Error(body.error.message);
      return (body.rows ?? []).map((row: Answer) => row.f.map((cell: Answer) => cell.v));
    },
    async failure(query, params) {
      const rows = await self.sql(query, params).catch((error: Error) => error.message);
      if (typeof rows === 'string') return rows;
      throw new Error(`it did not fail: ${JSON.stringify(rows)}`);
    },
    async restart() {
      await server.close();
      server = await startServer({ state, project: PROJECT });
      Object.assign(self, await clients(server));
    },
    async close() {
      await server.close();
      rmSync(state, { recursive: true, force: true });
    },
  };
  await self.rest('POST', `/v1/projects/${PROJECT}/locations/${LOCATION}/keyRings?keyRingId=ring`, {});
  for (const id of ['bigquery', 'source']) {
    await self.rest('POST', `/v1/${RING}/cryptoKeys?cryptoKeyId=${id}`, { purpose: 'ENCRYPT_DECRYPT' });
  }
  await self.bigquery.createDataset('poc', { location: LOCATION });
  return self;
}

async function clients({ origin, iam: { ownerToken: token } }: Server) {
  return {
    origin,
    token,
    bigquery: new BigQuery({
      projectId: PROJECT,
      location: LOCATION,
      apiEndpoint: origin,
      authClient: auth(token),
      retryOptions: { autoRetry: false },
    }),
    kms: await kmsClient(endpointsOf(origin, token)),
    storage: await storageClient(aDeployment({ project: PROJECT }), endpointsOf(origin, token)),
  };
}
