import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Application } from '../../support/application.ts';
import { type TestSandbox, testSandbox } from '../../support/sandbox.ts';

/** Who called what: the log of a sandbox's requests. */

const application = new Application('gcm');
const key = application.newKey();
let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({}, 'direct');
  await box.load(application, [
    { id: '1', cipher_text: key.encrypt('log-canary@example.com'), dek: key.dek },
  ]);
});
afterAll(() => box.close());

interface Entry {
  readonly method: string;
  readonly member: string;
  readonly resource: string;
  readonly outcome: string;
}
const logText = () => readFileSync(join(box.state, 'requests.ndjson'), 'utf8');
const entries = (): Entry[] =>
  logText()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry);

it('names method, principal, resource and what came of each call, and nothing of what it said', async () => {
  await box.faults({ kind: 'unavailable', service: 'kms', count: 1 });
  await box.run({ engine: 'dataproc' });
  await box.faults();
  const batch = `serviceAccount:${box.deployment.batch.serviceAccount}`;
  const all = entries();
  const load = all.filter(
    ({ method, member, resource }) =>
      method === 'jobs.insert' && member === batch && resource.startsWith('/upload/'),
  );
  expect(load.length, 'the load job of the batch').toBeGreaterThan(0);
  expect(all.filter(({ method }) => method === 'cryptoKeys.decrypt')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ member: batch, outcome: 'UNAVAILABLE' }),
      expect.objectContaining({ member: batch, outcome: 'OK' }),
    ]),
  );
  const jobUser = all.find(({ method }) => method === 'batches.create');
  expect(jobUser).toMatchObject({ outcome: 'OK', member: expect.stringMatching(/^user:/) });
  expect(logText()).not.toContain('log-canary');
  expect(logText()).not.toContain(key.dek);
});
