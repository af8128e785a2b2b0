import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { Mode } from '../../jobs/contract/sql/index.ts';
import { resume } from '../../jobs/run/run.ts';
import { rulesOfFile } from '../../sandbox/faults/file.ts';
import { Application, type UserRow } from '../support/application.ts';
import { beforeStep, silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

const application = new Application('gcm');
const key = application.newKey();
const user = (id: string, text = `user${id}@example.com`): UserRow => ({
  id,
  cipher_text: key.encrypt(text),
  dek: key.dek,
});

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({ storePlaintext: 'true' });
});
afterAll(() => box.close());

const users = (): Promise<unknown> => box.sql('SELECT id, decrypted_email FROM users ORDER BY id');

describe('a users table over time', () => {
  it('may be empty', async () => {
    expect(await box.run()).toMatchObject({ state: 'succeeded', selected: 0, merged: 0 });
  });

  it('is re-encrypted once', async () => {
    await box.load(
      application,
      ['-9223372036854775808', '1', '2', '3', '9223372036854775807'].map((id) => user(id)),
    );
    expect(await box.run()).toMatchObject({ selected: 5, merged: 5, kms_calls: 1 });
    expect(await box.run()).toMatchObject({ selected: 0, merged: 0, kms_calls: 0 });
  });

  it('has exactly the changed row taken again', async () => {
    const { cipher_text } = user('2', 'new@example.com');
    await box.sql(`UPDATE users SET cipher_text = '${cipher_text}' WHERE id = 2`);
    expect(await box.run()).toMatchObject({ selected: 1, merged: 1 });
    expect(await box.sql('SELECT decrypted_email AS email FROM users WHERE id = 2')).toEqual([
      { email: 'new@example.com' },
    ]);
  });

  it('loses no update that comes between stage and merge', async () => {
    const [first, second] = [user('2', 'first@example.com'), user('2', 'second@example.com')];
    await box.sql(`UPDATE users SET cipher_text = '${first.cipher_text}' WHERE id IN (2, 3)`);
    const meanwhile = beforeStep('merge', async () => {
      await box.sql(`UPDATE users SET cipher_text = '${second.cipher_text}' WHERE id = 2`);
    });
    expect(await box.run({}, meanwhile)).toMatchObject({ selected: 2, merged: 1, changed_meanwhile: 1 });
    expect(await box.run()).toMatchObject({ selected: 1, merged: 1 });
    expect(
      await box.sql('SELECT decrypted_email AS email FROM users WHERE id IN (2, 3) ORDER BY id'),
    ).toEqual([{ email: 'second@example.com' }, { email: 'first@example.com' }]);
  });

  it('is read as of the plan, whatever is written during the run', async () => {
    const rows = [user('50'), user('51')];
    await box.load(application, rows.slice(0, 1));
    const meanwhile = beforeStep('stage', () => box.load(application, rows.slice(1)));
    expect(await box.run({}, meanwhile)).toMatchObject({ selected: 1, merged: 1 });
    expect(await box.run()).toMatchObject({ selected: 1, merged: 1 });
  });

  it('may hold the same row twice', async () => {
    const { id, cipher_text, dek } = user('60');
    const twice = `(${id}, '${cipher_text}', '${dek}')`;
    await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES ${twice}, ${twice}`);
    expect(await box.run()).toMatchObject({ selected: 2, merged: 2, changed_meanwhile: 0 });
  });

  it('has a changed row counted, whatever copies of other rows come and go meanwhile', async () => {
    await box.load(application, [user('61'), user('62')]);
    const { cipher_text: copied, dek } = user('63');
    const copy = (id: number): string =>
      `INSERT INTO users (id, cipher_text, dek) VALUES (${id}, '${copied}', '${dek}')`;
    await box.sql(copy(63));
    await box.sql(copy(63));
    const meanwhile = beforeStep('merge', async () => {
      await box.sql(
        'INSERT INTO users (id, cipher_text, dek) SELECT id, cipher_text, dek FROM users WHERE id = 61',
      );
      await box.sql(`UPDATE users SET cipher_text = '${user('62').cipher_text}' WHERE id = 62`);
    });
    expect(await box.run({}, meanwhile)).toMatchObject({ selected: 4, merged: 4, changed_meanwhile: 1 });
    expect(await box.run()).toMatchObject({ selected: 1, merged: 1, changed_meanwhile: 0 });
    await box.sql('DELETE FROM users WHERE id IN (61, 63)');
  });

  it('leaves rejected rows alone until their source changes, or all of them are asked for', async () => {
    await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES (70, 'no base64', '${key.dek}')`);
    expect(await box.run()).toMatchObject({ selected: 1, merged: 0, rejected: 1, reasons: { encoding: 1 } });
    expect(await box.run()).toMatchObject({ selected: 0 });
    expect(await box.run({ mode: 'rejected' })).toMatchObject({ selected: 1, rejected: 1 });
    await box.sql(`UPDATE users SET cipher_text = '${user('70').cipher_text}' WHERE id = 70`);
    expect(await box.run()).toMatchObject({ selected: 1, merged: 1, rejected: 0 });
  });

  it('is taken from the smallest id where there is a limit', async () => {
    await box.load(
      application,
      ['100', '101', '102', '103'].map((id) => user(id)),
    );
    expect(await box.run({ limit: 3 })).toMatchObject({ selected: 3, merged: 3 });
    expect(await box.sql('SELECT id FROM users WHERE resealed_at IS NULL')).toEqual([{ id: '103' }]);
    expect(await box.run({ limit: 3 })).toMatchObject({ selected: 1, merged: 1 });
  });

  it('is gone through by runs with a limit in every mode, and then again', async () => {
    const ids = (await box.sql('SELECT DISTINCT id FROM users ORDER BY id')).map((row) => String(row.id));
    const third = Math.ceil(ids.length / 3);
    const taken = async (mode: Mode): Promise<string[]> => {
      const report = await box.run({ mode, limit: third });
      const moment = `(SELECT resealed_at FROM runs WHERE run_id = '${report.run_id}')`;
      return (await box.sql(`SELECT DISTINCT id FROM users WHERE resealed_at = ${moment} ORDER BY id`)).map(
        (row) => String(row.id),
      );
    };
    const rounds = [];
    for (let at = 0; at < 4; at++) rounds.push(await taken('all'));
    expect(rounds).toEqual([
      ids.slice(0, third),
      ids.slice(third, 2 * third),
      ids.slice(2 * third),
      ids.slice(0, third),
    ]);
    // Values that are rejected again and again do not keep a run from the others behind them.
    const bad = [400, 401, 402].map((id) => `(${id}, 'no base64 ${id}', '${key.dek}')`);
    await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES ${bad.join(', ')}`);
    await box.run();
    const rejected = [];
    for (let at = 0; at < 4; at++) {
      const { run_id: runId } = await box.run({ mode: 'rejected', limit: 1 });
      rejected.push(...(await box.sql(`SELECT id FROM users_rejected WHERE run_id = '${runId}'`)));
    }
    expect(rejected.map((row) => row.id)).toEqual(['400', '401', '402', '400']);
    await box.sql('DELETE FROM users WHERE id BETWEEN 400 AND 402');
  });

  it('is done anew with mode all', async () => {
    const [{ n } = { n: null }] = await box.sql('SELECT COUNT(*) AS n FROM users');
    expect(await box.run({ mode: 'all' })).toMatchObject({ selected: Number(n), merged: Number(n) });
  });
});

describe('a run that breaks off', () => {
  it('leaves users as they were when staged rows are missing, and says so in the ledger', async () => {
    await box.load(application, [user('200'), user('201')]);
    const was = await users();
    const runId = newRunId();
    const theft = beforeStep('verify', async () => {
      await box.sql(`DELETE FROM users_temp WHERE run_id = '${runId}' AND id = 200`);
    });
    await expect(box.run({ runId }, theft)).rejects.toMatchObject({ code: 'verify-count' });
    expect(await users()).toEqual(was);
    expect(await box.sql(`SELECT state, error_code FROM runs WHERE run_id = '${runId}'`)).toEqual([
      { state: 'failed', error_code: 'verify-count' },
    ]);
  });

  it('leaves users as they were when a staged row does not open', async () => {
    const runId = newRunId();
    const was = await users();
    const swap = beforeStep('verify', async () => {
      await box.sql(`UPDATE users_temp SET id = 999 WHERE run_id = '${runId}' AND id = 200`);
    });
    await expect(box.run({ runId }, swap)).rejects.toMatchObject({ code: 'verify-open' });
    expect(await users()).toEqual(was);
  });

  it('by a limit while it verifies keeps what it staged, since that says nothing of the values', async () => {
    const runId = newRunId();
    await box.load(application, [user('210')]);
    await box.kmsCalls();
    const rule = { kind: 'job-error', service: 'bigquery', reason: 'quotaExceeded', sql: 'AS wrong' };
    await box.faults(rule);
    await expect(box.run({ runId })).rejects.toMatchObject({ code: 'bigquery' });
    await box.faults();
    expect(await resume(box.context, runId, silent)).toMatchObject({ state: 'succeeded' });
    expect(await box.kmsCalls()).toBe(1);
    await box.sql('DELETE FROM users WHERE id = 210');
  });

  it.each(['stage', 'verify', 'merge', 'report'])(
    'before %s is resumed and does nothing twice',
    async (step) => {
      await box.load(application, [user('300', `${step}@example.com`)]);
      const runId = newRunId();
      await box.kmsCalls();
      const crash = beforeStep(step, () => Promise.reject(new Error('power cut')));
      await expect(box.run({ runId }, crash)).rejects.toThrow('power cut');
      const resumed = await resume(box.context, runId, silent);
      expect(resumed).toMatchObject({ run_id: runId, state: 'succeeded', selected: resumed.merged });
      expect(await box.kmsCalls()).toBe(1);
      expect(await box.sql('SELECT decrypted_email AS email FROM users WHERE id = 300')).toEqual([
        { email: `${step}@example.com` },
      ]);
      expect(await box.sql(`SELECT COUNT(*) AS n FROM users_temp WHERE run_id = '${runId}'`)).toEqual([
        { n: '0' },
      ]);
    },
  );

  it('because somebody else ended it is resumed all the same', async () => {
    await box.load(application, [user('350')]);
    const runId = newRunId();
    const meddle = beforeStep('merge', async () => {
      await box.sql(`UPDATE runs SET state = 'failed' WHERE run_id = '${runId}'`);
    });
    await expect(box.run({ runId }, meddle)).rejects.toMatchObject({
      code: 'merge-state',
      hint: expect.stringContaining('--resume'),
    });
    expect(await resume(box.context, runId, silent)).toMatchObject({ state: 'succeeded' });
    expect(
      await box.sql('SELECT COUNT(*) AS n FROM users WHERE id = 350 AND resealed_at IS NOT NULL'),
    ).toEqual([{ n: '1' }]);
  });

  it('by ctrl-C is cancelled, and can be resumed', async () => {
    await box.load(application, [user('400')]);
    const runId = newRunId();
    const controller = new AbortController();
    const press = beforeStep('stage', async () => controller.abort());
    await expect(box.run({ runId }, press, controller.signal)).rejects.toMatchObject({ code: 'cancelled' });
    expect(await box.sql(`SELECT state FROM runs WHERE run_id = '${runId}'`)).toEqual([
      { state: 'cancelled' },
    ]);
    expect(await resume(box.context, runId, silent)).toMatchObject({ state: 'succeeded', merged: 1 });
  });
});

it('rides out a KMS that is slow, full, away and garbles bytes', async () => {
  await box.load(application, [user('500')]);
  // The first Decrypt is the keyset's; the faults after it meet the data key. Answers are damaged where one is given.
  await box.faults(
    { kind: 'unavailable', service: 'kms', from: 2 },
    { kind: 'quota', service: 'kms', from: 3 },
    { kind: 'corrupt-crc32c', service: 'kms', from: 2 },
    { kind: 'corrupt-bytes', service: 'kms', from: 3 },
    { kind: 'internal', service: 'kms', from: 6 },
  );
  expect(await box.run()).toMatchObject({ selected: 1, merged: 1, kms_calls: 1 });
  await box.faults();
});

it('fails as a whole where KMS denies access, and rejects no row', async () => {
  await box.load(application, [user('600')]);
  await box.faults({ kind: 'denied', service: 'kms', from: 2, count: null });
  await expect(box.run()).rejects.toMatchObject({ code: 'kms-denied' });
  await box.faults();
  expect(await box.run()).toMatchObject({ merged: 1, rejected: 0 });
});

it('gets through what the example of docs/sandbox.md has go wrong', async () => {
  const [, example = ''] = /```yaml\n([\s\S]*?)```/.exec(readFileSync('docs/sandbox.md', 'utf8')) ?? [];
  const file = join(box.folder, 'faults.yaml');
  writeFileSync(file, example);
  await box.load(application, [user('700'), user('701')]);
  await box.faults(...(await rulesOfFile(file)));
  expect(await box.run()).toMatchObject({ state: 'succeeded', selected: 2, merged: 2 });
  const { rules } = (await box.control('faults')) as { rules: { rule: { kind: string }; hits: number }[] };
  await box.faults();
  const hits: Record<string, number> = {};
  for (const one of rules) hits[one.rule.kind] = (hits[one.rule.kind] ?? 0) + one.hits;
  expect(hits).toMatchObject({ 'corrupt-crc32c': expect.any(Number), half: 1, 'job-error': 1 });
  for (const kind of ['latency', 'unavailable']) expect(hits[kind], kind).toBeGreaterThan(0);
});
