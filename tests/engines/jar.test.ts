import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { storageClient } from '../../jobs/google/clients.ts';
import { resume } from '../../jobs/run/run.ts';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { Application } from '../support/application.ts';
import { beforeStep, silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

const source = fileURLToPath(new URL('../fixtures/jar/Application.java', import.meta.url));
const compiler = fileURLToPath(new URL('../../tools/python/compile_java.py', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'reseal-jar-'));
const jar = join(folder, 'application.jar');
let box: TestSandbox;

/** A stack that runs the jar, over a table of such ids. */
async function stackWithJar(
  ids: readonly string[],
  settings: Record<string, string> = {},
): Promise<TestSandbox> {
  const made = await testSandbox({
    jarFile: 'gs://example-data-dev-reseal-dev/application.jar',
    mainClass: 'Application',
    storePlaintext: 'true',
    ...settings,
  });
  const { deployment, sandbox } = made;
  const storage = await storageClient(deployment, sandbox.owner);
  await storage.bucket(deployment.bucket).upload(jar, { resumable: false });
  const application = new Application();
  const key = application.newKey();
  await made.load(
    application,
    ids.map((id) => ({ id, cipher_text: key.encrypt(id), dek: key.dek })),
  );
  return made;
}

beforeAll(async () => {
  execFileSync(await ensureVenv(), [compiler, source, jar]);
  box = await stackWithJar(['1', '2', '3', '9223372036854775807']);
}, 900_000);
afterAll(async () => {
  await box.close();
  rmSync(folder, { recursive: true, force: true });
});

it('has its rows merged like the built-in application, and keeps its limit when it is resumed', async () => {
  const runId = newRunId();
  const crash = beforeStep('stage', () => Promise.reject(new Error('power cut')));
  await expect(box.run({ runId, engine: 'auto', limit: 3 }, crash)).rejects.toThrow('power cut');
  expect(await resume(box.context, runId, silent)).toMatchObject({
    engine: 'dataproc',
    selected: 3,
    staged: 3,
    merged: 3,
    kms_calls: null,
  });
  const merged = await box.sql(
    'SELECT id, decrypted_email AS email, bq_encrypted_email = CAST(cipher_text AS BYTES) AS same FROM users WHERE resealed_at IS NOT NULL ORDER BY id',
  );
  expect(merged).toEqual(['1', '2', '3'].map((id) => ({ id, email: 'from the jar', same: 'true' })));
  expect(await box.sql('SELECT COUNT(*) AS n FROM users_temp')).toEqual([{ n: '0' }]);
});

it('takes what is left, and leaves what was merged as it is', async () => {
  expect(await box.run({ engine: 'auto' })).toMatchObject({ selected: 1, merged: 4, changed_meanwhile: 0 });
  expect(await box.run({ engine: 'auto' })).toMatchObject({ selected: 0, merged: 0, kms_calls: 0 });
});

it('cannot be run by the direct engine', async () => {
  await expect(box.run({ engine: 'direct' })).rejects.toMatchObject({ code: 'engine-jar' });
});

it('may have ids of any type', async () => {
  const ids = ['', 'größe', "it's"];
  const other = await stackWithJar(ids, { idType: 'STRING' });
  try {
    expect(await other.run({ engine: 'auto', limit: 2 })).toMatchObject({ staged: 2, merged: 2 });
    expect(await other.sql('SELECT id FROM users WHERE resealed_at IS NOT NULL ORDER BY id')).toEqual(
      ids.slice(0, 2).map((id) => ({ id })),
    );
  } finally {
    await other.close();
  }
});
