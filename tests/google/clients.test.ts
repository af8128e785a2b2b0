import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  batchClient,
  bigQueryClient,
  executionsClient,
  kmsClient,
  storageClient,
} from '../../jobs/google/clients.ts';
import { endpointsOf } from '../../sandbox/http/endpoints.ts';
import { aDeployment } from '../support/deployment.ts';

/** What an environment makes of Google's clients. */

const home = mkdtempSync(join(tmpdir(), 'reseal-home-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
afterEach(() => {
  vi.unstubAllEnvs();
});

const deployment = aDeployment({});
const GRPC = [
  ['Cloud KMS', () => kmsClient()],
  ['Dataproc', () => batchClient(deployment)],
  ['Workflows', () => executionsClient()],
] as const;

describe('without credentials', () => {
  beforeEach(() => {
    for (const name of ['HOME', 'APPDATA', 'CLOUDSDK_CONFIG']) vi.stubEnv(name, home);
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', undefined);
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
  });

  // The clients themselves throw it where nobody can catch it, which ends the process.
  it.each(GRPC)('a client of %s says how to get some', async (_service, client) => {
    await expect(client()).rejects.toMatchObject({
      code: 'no-credentials',
      hint: expect.stringContaining('gcloud auth application-default login'),
    });
  });

  it('a client certificate that is asked for and not there is an error, too', async () => {
    vi.stubEnv('GOOGLE_API_USE_CLIENT_CERTIFICATE', 'true');
    await expect(kmsClient(endpointsOf('http://127.0.0.1:9', 'any'))).rejects.toThrow(/ENOENT/);
  });
});

describe("an emulator's host in the environment", () => {
  const endpoints = endpointsOf('http://127.0.0.1:9', 'any');

  it.each([
    ['BIGQUERY_EMULATOR_HOST', () => bigQueryClient(deployment), () => bigQueryClient(deployment, endpoints)],
    ['STORAGE_EMULATOR_HOST', () => storageClient(deployment), () => storageClient(deployment, endpoints)],
  ])('%s would be called in the place of the stack', async (name, ofGoogle, ofSandbox) => {
    vi.stubEnv(name, 'http://127.0.0.1:9050');
    for (const client of [ofGoogle, ofSandbox])
      await expect(client()).rejects.toMatchObject({
        code: 'emulator-host',
        message: expect.stringContaining(name),
      });
  });
});
