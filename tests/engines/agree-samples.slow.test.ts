import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { ENGINES, type EngineName } from '../../jobs/contract/settings/choices.ts';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { importKek, loadUsers } from '../../sandbox/users/load.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** The samples through every engine: the batch goes through Spark's real BigQuery connector. */

const samples = fileURLToPath(new URL('../fixtures/samples/medium', import.meta.url));
let box: TestSandbox | undefined;
beforeAll(() => ensureVenv(), 900_000);
afterEach(() => box?.close());

/** A sandbox with the first rows of the samples. */
async function withSamples(rows: number, config: Record<string, string> = {}): Promise<TestSandbox> {
  box = await testSandbox({
    sourceFormat: 'dotted',
    storePlaintext: 'true',
    maxRejectedShare: '1',
    ...config,
  });
  const { owner } = box.sandbox;
  const lines = readFileSync(join(samples, 'users.ndjson'), 'utf8').trimEnd().split('\n');
  const users = join(box.folder, 'users.ndjson');
  writeFileSync(users, `${lines.slice(0, rows).join('\n')}\n`);
  await importKek(owner, box.deployment, join(samples, 'kek.json'));
  await loadUsers(owner, box.deployment, users);
  return box;
}

/** What a run of an engine leaves of the columns that are the same for every run. */
async function outcome({ run, sql }: TestSandbox, engine: EngineName, columns: readonly string[]) {
  const { run_id, selected, distinct_deks, staged, merged, reasons, kms_calls, read_back } = await run({
    engine,
  });
  expect(read_back.readable).toBe(read_back.checked);
  expect(read_back.checked).toBeGreaterThan(0);
  const rejected = await sql(
    `SELECT id, field, reason, dek_fingerprint, rejected_from FROM users_rejected WHERE run_id = '${run_id}' ORDER BY id, field`,
  );
  const users = await sql(`SELECT id, ${columns.join(', ')} FROM users ORDER BY id`);
  // Nothing of the run is left in staging, whatever filled it.
  expect(await sql('SELECT COUNT(*) AS n FROM users_temp')).toEqual([{ n: '0' }]);
  return { selected, distinct_deks, staged, merged, reasons, kms_calls, rejected, users };
}

/** Runs each engine on the same table. */
async function ofEach(sandbox: TestSandbox, columns: readonly string[]) {
  const outcomes = {} as Record<EngineName, Awaited<ReturnType<typeof outcome>>>;
  for (const engine of ENGINES) {
    await sandbox.sql(
      `UPDATE users SET ${columns.map((column) => `${column} = NULL`).join(', ')} WHERE TRUE`,
    );
    await sandbox.sql('DELETE FROM users_rejected WHERE TRUE');
    outcomes[engine] = await outcome(sandbox, engine, columns);
  }
  return outcomes;
}

/** From 20,000 rows on the direct engine takes threads, which a test's process cannot start from TypeScript. */
const ROWS = 19_000;

it('thousands of rows are sealed and rejected alike by every engine', async () => {
  const sandbox = await withSamples(ROWS);
  const { direct, dataproc, bigquery } = await ofEach(sandbox, ['decrypted_email', 'resealed_from']);
  expect(direct).toMatchObject({ selected: ROWS });
  expect(direct.merged).toBeGreaterThan(0.9 * ROWS);
  expect(direct.rejected.length).toBe(ROWS - Number(direct.merged));
  expect(dataproc).toEqual(direct);
  expect(bigquery).toEqual(direct);
  // What the connector does on the way: Parquet files in the bucket, one load job, and none of them left.
  const project = `${sandbox.sandbox.endpoints.bigquery}/bigquery/v2/projects/${sandbox.deployment.project}`;
  const headers = { authorization: `Bearer ${sandbox.sandbox.owner.accessToken}` };
  const { jobs } = (await (await fetch(`${project}/jobs`, { headers })).json()) as {
    jobs: { configuration: { load?: Record<string, unknown> } }[];
  };
  const loads = jobs.flatMap(({ configuration: { load } }) =>
    load?.sourceFormat === 'PARQUET' ? [load] : [],
  );
  expect(loads).toHaveLength(1);
  expect(loads[0]).toMatchObject({ writeDisposition: 'WRITE_APPEND', createDisposition: 'CREATE_NEVER' });
  expect(String(loads[0]?.sourceUris)).toMatch(/^gs:\/\/[^/]+\/temp\/\.spark-bigquery-.*\.parquet/);
  const listed = await fetch(
    `${sandbox.sandbox.endpoints.storage}/storage/v1/b/${sandbox.deployment.bucket}/o?prefix=temp/`,
    { headers },
  );
  const { items = [] } = (await listed.json()) as { items?: { name: string }[] };
  expect(items.map(({ name }) => name).filter((name) => !name.endsWith('/'))).toEqual([]);
}, 600_000);

it('two fields of a row are sealed and rejected alike by every engine', async () => {
  const fields = JSON.stringify([{ name: 'email' }, { name: 'phone', dek: 'dek' }]);
  // In deterministic keying the sealed values themselves are the same.
  const sandbox = await withSamples(1000, { fields, keying: 'deterministic' });
  // Every third row has no second value, every tenth one that does not open.
  await sandbox.sql(`UPDATE users SET phone_cipher_text = CASE WHEN MOD(id, 3) = 0 THEN NULL
    WHEN MOD(id, 10) = 1 THEN CONCAT('!', cipher_text) ELSE cipher_text END WHERE TRUE`);
  const { direct, dataproc, bigquery } = await ofEach(sandbox, [
    'decrypted_email',
    'resealed_from',
    'decrypted_phone',
    'phone_resealed_from',
    'bq_encrypted_email',
    'bq_encrypted_phone',
  ]);
  expect(direct.users.some((row) => row.bq_encrypted_phone !== null)).toBe(true);
  expect(direct.selected).toBeGreaterThan(1500);
  expect(new Set(direct.rejected.map(({ field }) => field))).toEqual(new Set(['email', 'phone']));
  expect(dataproc).toEqual(direct);
  expect(bigquery).toEqual(direct);
}, 600_000);
