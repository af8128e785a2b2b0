import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AEAD, DETERMINISTIC } from '../../jobs/contract/algorithms.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import { KEYINGS, type Keying } from '../../jobs/contract/settings/choices.ts';
import type { Statement } from '../../jobs/contract/sql/index.ts';
import type { RunOptions } from '../../jobs/run/context.ts';
import { newestChains } from '../../jobs/run/keyset.ts';
import { resume, run } from '../../jobs/run/run.ts';
import { Application, type UserRow } from '../support/application.ts';
import { beforeStep, silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** Readers never see what the source no longer says, and never lose what it does say. */

const application = new Application('gcm');
const key = application.newKey();
const user = (id: number, text = `user${id}@example.com`): UserRow => ({
  id: String(id),
  cipher_text: key.encrypt(text),
  dek: key.dek,
});
const range = (count: number, from = 1): number[] => Array.from({ length: count }, (_, at) => from + at);

/** A second field makes the columns of the first one nullable, as an application's own table may have them. */
const fields = JSON.stringify([{ name: 'email' }, { name: 'phone', dek: 'dek' }]);

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({ storePlaintext: 'false', fields });
});
afterAll(() => box.close());
beforeEach(async () => {
  for (const table of ['users', 'users_temp', 'users_rejected', 'runs', 'keysets'])
    await box.sql(`DELETE FROM ${table} WHERE TRUE`);
  await box.load(application, [user(1), user(2), user(3)]);
});

/** What a reader of the procedure sees. */
const read = (): Promise<unknown> => {
  const { project, readDataset, readProcedure } = box.deployment;
  return box.sql(`CALL \`${project}.${readDataset}.${readProcedure}\`()`);
};
const opened = async (): Promise<Record<string, unknown>> =>
  Object.fromEntries(((await read()) as { id: string; email: string }[]).map(({ id, email }) => [id, email]));
const source = (id: number, text: string): Promise<unknown> =>
  box.sql(`UPDATE users SET cipher_text = '${text}' WHERE id = ${id}`);
const columns = (id: number): Promise<unknown> =>
  box.sql(
    `SELECT bq_encrypted_email AS sealed, bq_encryption_key AS row_key, decrypted_email AS plaintext, resealed_from AS origin FROM users WHERE id = ${id}`,
  );
const NOTHING = { sealed: null, row_key: null, plaintext: null, origin: null };

describe('a source that is gone', () => {
  it('is erased by the next run, although nothing is selected', async () => {
    await box.run();
    await box.sql('UPDATE users SET cipher_text = NULL WHERE id = 2');
    await box.sql("UPDATE users SET decrypted_email = 'user2@example.com' WHERE id = 2");
    expect(await box.run()).toMatchObject({ selected: 0, merged: 0, erased: 1, state: 'succeeded' });
    expect(await columns(2)).toEqual([NOTHING]);
    expect(await opened()).toEqual({ 1: 'user1@example.com', 3: 'user3@example.com' });
    expect(await box.run()).toMatchObject({ selected: 0, erased: 0 });
  });

  it('or has become unreadable takes the old value along', async () => {
    await box.run();
    await source(2, 'no base64');
    expect(await box.run()).toMatchObject({ selected: 1, rejected: 1, reasons: { encoding: 1 } });
    expect(await columns(2)).toEqual([NOTHING]);
    await source(2, user(2, 'again@example.com').cipher_text);
    expect(await box.run()).toMatchObject({ merged: 1 });
    expect((await opened())[2]).toBe('again@example.com');
  });
});

it.each(['direct', 'bigquery'] as const)(
  'a source that was rejected once, and is back, takes what was sealed in between along (%s)',
  async (engine) => {
    await source(2, 'no base64');
    expect(await box.run({ engine })).toMatchObject({ merged: 2, rejected: 1 });
    await source(2, user(2, 'between@example.com').cipher_text);
    expect(await box.run({ engine })).toMatchObject({ merged: 1 });
    await source(2, 'no base64');
    expect(await box.run({ engine })).toMatchObject({ selected: 1, rejected: 1, merged: 0 });
    expect(await columns(2)).toEqual([NOTHING]);
    expect(await box.run({ engine })).toMatchObject({ selected: 0 });
  },
);

describe('a value that an operator shredded', () => {
  it.each(['pending', 'rejected', 'all'] as const)('is not sealed again by mode %s', async (mode) => {
    await box.run();
    await box.sql('UPDATE users SET bq_encryption_key = NULL WHERE id = 2');
    await source(2, user(2, 'changed@example.com').cipher_text);
    await box.run({ mode });
    expect(await box.sql('SELECT bq_encryption_key AS row_key FROM users WHERE id = 2')).toEqual([
      { row_key: null },
    ]);
    expect((await opened())[2]).toBeNull();
  });

  it('between stage and merge stays so', async () => {
    await box.run();
    await source(2, user(2, 'changed@example.com').cipher_text);
    const shred = beforeStep('merge', async () => {
      await box.sql('UPDATE users SET bq_encryption_key = NULL WHERE id = 2');
    });
    expect(await box.run({}, shred)).toMatchObject({ selected: 1, merged: 0 });
    expect((await opened())[2]).toBeNull();
  });
});

it('clears a plaintext that an earlier setting stored', async () => {
  await box.run();
  await box.sql("UPDATE users SET decrypted_email = 'user1@example.com' WHERE id = 1");
  await box.run();
  expect(await box.sql('SELECT id FROM users WHERE decrypted_email IS NOT NULL')).toEqual([]);
});

it("one bad row breaks nobody else's read", async () => {
  await box.run();
  await box.sql("UPDATE users SET bq_encryption_key = b'nonsense' WHERE id = 2");
  expect(await opened()).toEqual({ 1: 'user1@example.com', 2: null, 3: 'user3@example.com' });
});

describe('rows of every keying stand side by side', () => {
  const under = async (keying: Keying, given: Partial<RunOptions> = {}, watcher = silent) => {
    const options = { runId: newRunId(), mode: 'pending', limit: null, engine: 'direct', ...given } as const;
    return run(await box.under({ keying }), options, watcher);
  };

  it('and read, whichever the stack has', async () => {
    const all = { 1: 'user1@example.com', 2: 'user2@example.com', 3: 'user3@example.com' };
    for (const keying of KEYINGS) {
      const report = await under(keying, { limit: 1 });
      expect(report).toMatchObject({ keying, merged: 1, read_back: { checked: 1, readable: 1 } });
    }
    expect(await opened()).toEqual(all);
    const { project, readDataset, readView, fields } = box.deployment;
    for (const keying of KEYINGS) {
      const context = await box.under({ keying });
      expect(await box.sql('SELECT algorithm FROM keysets ORDER BY version')).toEqual([
        { algorithm: AEAD },
        { algorithm: DETERMINISTIC },
      ]);
      await context.bigquery.query(context.sql.replaceReadView, {});
      const sql = `SELECT * FROM \`${project}.${readDataset}.${readView}\` ORDER BY id`;
      const rows = await context.bigquery.query({ name: 'view', sql, params: {} } as Statement<never>, {});
      expect(rows.map(({ email }) => email)).toEqual(Object.values(all));
      // Only what deterministic keying has sealed is a token.
      if (keying === 'deterministic')
        expect(rows.map(({ email_token: token }) => token === null)).toEqual([true, true, false]);
      else expect(Object.keys(rows[0] ?? {})).toEqual(['id', ...fields.map(({ name }) => name)]);
      const chains = await newestChains(context);
      const read = await context.bigquery.query(context.sql.readValues, { ...chains, row_limit: 9 } as never);
      expect(read.map(({ email, email_unreadable: unreadable }) => [email, unreadable])).toEqual(
        Object.values(all).map((email) => [email, 'false']),
      );
    }
  });

  it.each(['shared', 'deterministic'] as const)(
    'but nothing is merged whose keyset has gone since it was verified (%s), until that is back',
    async (keying) => {
      const runId = newRunId();
      const sealed = 'SELECT id FROM users WHERE bq_encrypted_email IS NOT NULL';
      const gone = beforeStep('merge', async () => {
        await box.sql("UPDATE keysets SET version = -version WHERE algorithm != ''");
      });
      await expect(under(keying, { runId }, gone)).rejects.toMatchObject({
        code: 'keyset-missing',
        hint: expect.stringContaining('restore its row'),
      });
      expect(await box.sql(sealed)).toEqual([]);
      await box.sql("UPDATE keysets SET version = -version WHERE algorithm != ''");
      expect(await under(keying, { runId })).toMatchObject({ merged: 3, read_back: { readable: 3 } });
    },
  );

  it('until mode stale seals what another keying has sealed anew', async () => {
    for (const keying of KEYINGS) {
      expect(await under(keying, { mode: 'stale' })).toMatchObject({ selected: 0 });
      expect(await under(keying)).toMatchObject({ merged: 3 });
      await box.sql('UPDATE users SET resealed_from = NULL WHERE TRUE');
    }
    await under('deterministic');
    for (const keying of ['row', 'shared', 'deterministic'] as const) {
      expect(await under(keying, { mode: 'stale' })).toMatchObject({ selected: 3, merged: 3, keying });
      expect(await under(keying, { mode: 'stale' })).toMatchObject({ selected: 0 });
      expect(Object.values(await opened())).toEqual([
        'user1@example.com',
        'user2@example.com',
        'user3@example.com',
      ]);
    }
  });
});

describe('rejected values', () => {
  it('with a wrong KEK stop the run before its merge, and are tried again by every later one', async () => {
    const other = new Application('gcm');
    const foreign = other.newKey();
    const rows = range(100, 10).map((id) => ({
      id: String(id),
      cipher_text: foreign.encrypt('x'),
      dek: foreign.dek,
    }));
    await box.load(application, rows);
    const runId = newRunId();
    await expect(box.run({ runId })).rejects.toMatchObject({
      code: 'rejected-share',
      message: expect.stringContaining('100 of 103 values would be rejected'),
      hint: expect.stringContaining('reseal:sourceKek'),
    });
    expect(await opened()).toEqual({});
    expect(await resume(box.context, runId, silent, { rejected: true })).toMatchObject({
      merged: 3,
      rejected: 100,
      reasons: { 'dek-refused': 100 },
    });
    expect(await box.run()).toMatchObject({ selected: 100, rejected: 100, merged: 0 });
    // Of the next run's rejections those are no news, and not what stops it.
    const news = range(30, 200).map((id) => ({ ...user(id), cipher_text: 'no base64' }));
    await box.load(application, news);
    await expect(box.run()).rejects.toMatchObject({
      code: 'rejected-share',
      message: expect.stringMatching(/^30 of 130 .+; 30 of them because of encoding$/),
      hint: expect.stringContaining('start a new run'),
    });
  });

  it('are not taken by mode rejected once they are sealed', async () => {
    const good = user(2).cipher_text;
    await source(2, 'no base64');
    expect(await box.run()).toMatchObject({ rejected: 1 });
    await source(2, good);
    await box.run();
    await source(2, 'no base64');
    await box.run();
    await source(2, good);
    await box.run();
    expect(await box.run({ mode: 'rejected' })).toMatchObject({ selected: 0 });
  });

  it('stand in users_rejected once, however often they are rejected', async () => {
    await source(2, 'no base64');
    for (const mode of ['pending', 'all', 'rejected', 'all'] as const)
      expect(await box.run({ mode })).toMatchObject({ rejected: 1, reasons: { encoding: 1 } });
    expect(await box.sql('SELECT id FROM users_rejected')).toEqual([{ id: '2' }]);
  });

  it('of another run do not change what a run selects', async () => {
    await source(2, 'no base64');
    const runId = newRunId();
    const overlapping = beforeStep('stage', async () => {
      expect(await box.run()).toMatchObject({ rejected: 1 });
    });
    // The other run has merged 1 and 3 by then, and rejected 2.
    expect(await box.run({ runId }, overlapping)).toMatchObject({ selected: 3, rejected: 1 });
  });
});

it('a known run id is resumed, not planned anew', async () => {
  const runId = newRunId();
  const crash = beforeStep('verify', () => Promise.reject(new Error('power cut')));
  await expect(box.run({ runId }, crash)).rejects.toThrow('power cut');
  await box.load(application, [user(4)]);
  expect(await box.run({ runId })).toMatchObject({ run_id: runId, selected: 3, merged: 3 });
  expect(await box.run()).toMatchObject({ selected: 1, merged: 1 });
});

describe('staged rows', () => {
  it('that have gone since they were verified fail the merge, and are staged anew', async () => {
    const runId = newRunId();
    const expiry = beforeStep('merge', async () => {
      await box.sql('DELETE FROM users_temp WHERE TRUE');
    });
    await expect(box.run({ runId }, expiry)).rejects.toMatchObject({ code: 'merge-count' });
    expect(await opened()).toEqual({});
    expect(await resume(box.context, runId, silent)).toMatchObject({ selected: 3, merged: 3 });
  });

  it('of an attempt that failed after its load never add to those of the next', async () => {
    const runId = newRunId();
    const leftover = beforeStep('verify', async () => {
      await box.sql(
        `INSERT INTO users_temp (id, run_id, attempt, field, resealed_from) SELECT id, run_id, 'an-earlier-batch', field, resealed_from FROM users_temp WHERE run_id = '${runId}'`,
      );
    });
    expect(await box.run({ runId }, leftover)).toMatchObject({
      selected: 3,
      merged: 3,
      changed_meanwhile: 0,
    });
    expect(await box.sql('SELECT COUNT(*) AS n FROM users_temp')).toEqual([{ n: '0' }]);
  });
});

it('two first runs at once make one keyset, and both are readable', async () => {
  const [first, second] = await Promise.all([box.run({ limit: 2 }), box.run()]);
  expect([first.state, second.state]).toEqual(['succeeded', 'succeeded']);
  expect(await box.sql('SELECT version FROM keysets')).toEqual([{ version: '1' }]);
  expect(Object.values(await opened())).toEqual([
    'user1@example.com',
    'user2@example.com',
    'user3@example.com',
  ]);
});

it('the bound of seals under one key is kept', async () => {
  await box.run({ limit: 1 });
  await box.sql('UPDATE runs SET staged = 4294967295 WHERE TRUE');
  await expect(box.run()).rejects.toMatchObject({ code: 'keyset-exhausted' });
});
