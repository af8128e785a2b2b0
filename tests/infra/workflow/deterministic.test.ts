import { afterAll, beforeAll, expect, it } from 'vitest';
import { newRunId } from '../../../jobs/contract/ids.ts';
import { run } from '../../../jobs/run/run.ts';
import { Application } from '../../support/application.ts';
import { silent, type TestSandbox, testSandbox } from '../../support/sandbox.ts';
import { type Emulator, emulator } from '../../support/workflow/emulator.ts';

let box: TestSandbox;
let workflow: Emulator;
beforeAll(async () => {
  box = await testSandbox({ keying: 'deterministic', engines: '["direct","dataproc"]' }, 'direct');
  workflow = await emulator(box);
}, 600_000);
afterAll(async () => {
  await workflow?.close();
  await box?.close();
});

it('an execution makes the keyset of its keying where there is one of the other type, and seals with it', async () => {
  const application = new Application('gcm');
  const key = application.newKey();
  const users = (...ids: string[]) =>
    ids.map((id) => ({ id, cipher_text: key.encrypt('ada@example.com'), dek: key.dek }));
  await box.load(application, users('1'));
  const options = { runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' } as const;
  await run(await box.under({ keying: 'shared' }), options, silent);
  await box.load(application, users('2', '3'));
  for (const [mode, merged] of [
    ['pending', '2'],
    ['stale', '1'],
  ]) {
    const runId = newRunId();
    const { result } = await workflow.execute({ mode }, runId);
    expect(result).toMatchObject({
      state: 'succeeded',
      keying: 'deterministic',
      keyset_version: '2',
      merged,
    });
  }
  expect(await box.sql('SELECT COUNT(DISTINCT bq_encrypted_email) AS n FROM users')).toEqual([{ n: '1' }]);
}, 60_000);
