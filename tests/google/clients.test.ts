import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { authorised, batchClient, executionsClient, kmsClient } from '../../jobs/google/clients.ts';
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

  it('a file of credentials that is not there is none, whoever asks for it', async () => {
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', join(home, 'none.json'));
    for (const asking of [kmsClient(), authorised()])
      await expect(asking).rejects.toMatchObject({ code: 'no-credentials' });
  });

  it('a client certificate that is asked for and not there is an error, too', async () => {
    vi.stubEnv('GOOGLE_API_USE_CLIENT_CERTIFICATE', 'true');
    await expect(kmsClient(endpointsOf('http://127.0.0.1:9', 'any'))).rejects.toThrow(/ENOENT/);
  });
});
