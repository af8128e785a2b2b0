import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { runContext } from '../../jobs/cli/connect.ts';
import { ResealError } from '../../jobs/contract/errors.ts';
import { newRunId, sealJobId } from '../../jobs/contract/ids.ts';
import { SOURCE_FORMATS } from '../../jobs/contract/settings/choices.ts';
import { NO_CUTOFF, NO_FLOOR, WHOLE } from '../../jobs/contract/sql/index.ts';
import { bigqueryEngine } from '../../jobs/engines/bigquery/index.ts';
import type { StageInput } from '../../jobs/engines/engine.ts';
import type { BigQueryService, Row } from '../../jobs/google/bigquery.ts';
import { abandon } from '../../jobs/run/abandonment.ts';
import { plan } from '../../jobs/run/plan.ts';
import { run } from '../../jobs/run/run.ts';
import { importKek } from '../../sandbox/users/load.ts';
import { Application } from '../support/application.ts';
import { comparable, leftBy, unsealed } from '../support/compared.ts';
import { damagedUsers } from '../support/damaged-users.ts';
import { beforeStep, destroyVersion, type TestSandbox, testSandbox } from '../support/sandbox.ts';

const ROWS = 300;

describe.each(SOURCE_FORMATS)('%s: BigQuery and the direct engine', (sourceFormat) => {
  let box: TestSandbox;
  const application = new Application(sourceFormat);

  beforeAll(async () => {
    box = await testSandbox(comparable(sourceFormat));
    // BigQuery takes AES-128, but no AES-192 in GCM: values under such keys go through the job.
    const more = ([16, 24, 24] as const).map((bytes) => application.newKey(bytes));
    await box.load(application, damagedUsers(application, ROWS, more));
  });
  afterAll(() => box?.close());

  async function outcome(engine: 'direct' | 'bigquery') {
    await box.kmsCalls();
    const left = await leftBy(box, engine);
    expect(await box.kmsCalls()).toBe(left.kms_calls);
    return left;
  }

  it('open the same rows to the same values and reject the others for the same reasons', async () => {
    const direct = await outcome('direct');
    expect(direct.staged).toBeGreaterThan(ROWS / 8);
    expect(direct.rejected.length).toBeGreaterThan(ROWS / 20);
    expect((direct.unauthenticated ?? 0) > 0).toBe(sourceFormat === 'dotted');
    await unsealed(box);
    expect(await outcome('bigquery')).toEqual(direct);
    expect(await box.sql('SELECT COUNT(*) AS n FROM data_keys')).toEqual([{ n: '0' }]);
  });
});

it('rejects what a destroyed version of the source KEK wrapped, as the direct engine does, and lets it rest', async () => {
  const [old, application] = [new Application('gcm'), new Application('gcm')];
  const [lost, kept] = [old.newKey(), application.newKey()];
  const row = (id: string, { encrypt, dek }: typeof kept) => ({
    id,
    cipher_text: encrypt(`user${id}@x`),
    dek,
  });
  const box = await testSandbox({}, 'direct');
  try {
    await box.load(old, [row('1', lost)]);
    await destroyVersion(box, box.deployment.sourceKek);
    await box.load(application, [row('2', kept)]);
    for (const engine of ['direct', 'bigquery'] as const) {
      const reasons = { 'kek-destroyed': 1 };
      expect(await box.run({ engine, mode: 'all' })).toMatchObject({ selected: 2, merged: 1, reasons });
      expect(await box.run({ engine })).toMatchObject({ selected: 0 });
      expect(await box.run({ engine, mode: 'rejected' })).toMatchObject({ selected: 1, reasons });
    }
  } finally {
    await box.close();
  }
});

it('takes several fields that share a data key, in waves, as the direct engine does', async () => {
  const application = new Application('gcm');
  const fields = JSON.stringify([{ name: 'email' }, { name: 'phone', dek: 'dek' }]);
  const box = await testSandbox({ fields, storePlaintext: 'true', maxRejectedShare: '1' });
  try {
    await box.load(application, damagedUsers(application, 120, [application.newKey(24)]));
    await box.sql(`UPDATE users SET phone_cipher_text = CASE WHEN MOD(id, 3) = 0 THEN NULL
      WHEN MOD(id, 10) = 1 THEN CONCAT('!', cipher_text) ELSE cipher_text END WHERE TRUE`);
    const outcome = async (engine: 'direct' | 'bigquery') => {
      const report = await box.run({ engine, mode: 'all', waveDeks: 8, limit: 100 });
      const { selected, distinct_deks, waves, staged, merged, reasons, kms_calls } = report;
      const rejected = await box.sql(
        `SELECT id, field, reason FROM users_rejected WHERE run_id = '${report.run_id}' ORDER BY id, field`,
      );
      const users = await box.sql('SELECT id, decrypted_email, decrypted_phone FROM users ORDER BY id');
      await box.sql('DELETE FROM runs WHERE TRUE');
      return { selected, distinct_deks, waves, staged, merged, reasons, kms_calls, rejected, users };
    };
    const direct = await outcome('direct');
    expect(direct.waves).toBeGreaterThan(1);
    expect(direct.users.some((row) => row.decrypted_phone !== null)).toBe(true);
    await box.sql('UPDATE users SET decrypted_email = NULL, decrypted_phone = NULL WHERE TRUE');
    expect(await outcome('bigquery')).toEqual(direct);
  } finally {
    await box.close();
  }
}, 60_000);

it('seals a value to the same bytes as the direct engine in deterministic keying, also where the job has to', async () => {
  const application = new Application('gcm');
  const fields = JSON.stringify([{ name: 'email' }, { name: 'phone', dek: 'dek' }]);
  const box = await testSandbox({ fields, keying: 'deterministic', storePlaintext: 'true' });
  try {
    const keys = [application.newKey(), application.newKey(24)];
    const rows = Array.from({ length: 40 }, (_, at) => {
      const { encrypt, dek } = keys[at % 2] as (typeof keys)[number];
      // Two rows under different keys have one value.
      return { id: String(at), cipher_text: encrypt(`user${Math.floor(at / 2)}@example.com`), dek };
    });
    await box.load(application, rows);
    await box.sql('UPDATE users SET phone_cipher_text = cipher_text WHERE TRUE');
    const outcome = async (engine: 'direct' | 'bigquery') => {
      expect(await box.run({ engine, mode: 'all' })).toMatchObject({
        merged: 80,
        read_back: { readable: 80 },
      });
      return box.sql(
        'SELECT id, decrypted_email, bq_encrypted_email, bq_encrypted_phone, bq_encryption_key FROM users ORDER BY id',
      );
    };
    const direct = await outcome('direct');
    await box.sql('UPDATE users SET bq_encrypted_email = NULL, bq_encrypted_phone = NULL WHERE TRUE');
    expect(await outcome('bigquery')).toEqual(direct);
    for (const column of ['bq_encrypted_email', 'bq_encrypted_phone'] as const)
      expect(new Set(direct.map((row) => row[column])).size).toBe(20);
    expect(direct.some((row) => row.bq_encrypted_email === row.bq_encrypted_phone)).toBe(false);
  } finally {
    await box.close();
  }
}, 60_000);

it('is what auto takes for a large table, where a batch would cost more', async () => {
  const application = new Application('gcm');
  const box = await testSandbox();
  try {
    await box.load(application, damagedUsers(application, 20));
    const chosen = async (given: Parameters<TestSandbox['under']>[0]) =>
      (await plan(await box.under(given), { runId: newRunId(), mode: 'all', limit: null, engine: 'auto' }))
        .engine;
    expect(await chosen({})).toBe('direct');
    expect(await chosen({ directMaxRows: 0 })).toBe('bigquery');
    expect(await chosen({ directMaxRows: 0, engines: ['direct', 'dataproc'] })).toBe('dataproc');
    expect(await chosen({ directMaxRows: 0, engines: ['direct'] })).toBe('direct');
    await expect(
      plan(await box.under({ engines: ['dataproc'] }), {
        runId: newRunId(),
        mode: 'all',
        limit: null,
        engine: 'bigquery',
      }),
    ).rejects.toMatchObject({ code: 'engine-not-allowed' });
  } finally {
    await box.close();
  }
}, 60_000);

describe('a stage that breaks off', () => {
  const application = new Application('gcm');
  const key = application.newKey();
  const small = application.newKey(24);
  let box: TestSandbox;
  let rows = 0;
  const keyRows = () => box.sql('SELECT COUNT(*) AS n FROM data_keys');
  const stagedRows = (runId: string) =>
    box.sql(`SELECT COUNT(*) AS n FROM users_temp WHERE run_id = '${runId}'`);

  beforeAll(async () => {
    box = await testSandbox();
    await importKek(box.sandbox.owner, box.deployment, application.writeKek(box.folder));
  });
  afterAll(() => box?.close());

  /** Two values for a run, one of which BigQuery cannot open. */
  async function pending(): Promise<void> {
    for (const { encrypt, dek } of [key, small]) {
      rows += 1;
      await box.sql(
        `INSERT INTO users (id, cipher_text, dek) VALUES (${rows}, '${encrypt(`${rows}@example.com`)}', '${dek}')`,
      );
    }
  }

  /** BigQuery ends the statement that seals for this reason, once. */
  const failing = (reason: 'backendError' | 'quotaExceeded') =>
    box.faults({
      kind: 'job-error',
      reason,
      service: 'bigquery',
      sql: 'CREATE TEMP TABLE reseal_selected',
      count: 1,
    });

  it('goes on by another attempt after a fault that passes, the values of the job with it', async () => {
    await pending();
    await failing('backendError');
    const report = await box.run({ engine: 'bigquery' });
    expect(report).toMatchObject({ state: 'succeeded', merged: 2, kms_calls: 2 });
    const [run] = await box.sql(`SELECT attempt FROM runs WHERE run_id = '${report.run_id}'`);
    expect(run?.attempt).toMatch(/_seal_2$/);
    expect(await keyRows()).toEqual([{ n: '0' }]);
  });

  it('leaves no data key behind, and goes on once it is resumed', async () => {
    await pending();
    const runId = newRunId();
    await failing('quotaExceeded');
    await expect(box.run({ runId, engine: 'bigquery' })).rejects.toMatchObject({ code: 'bigquery' });
    await box.faults();
    expect(await keyRows()).toEqual([{ n: '0' }]);
    expect(await box.run({ runId })).toMatchObject({ engine: 'bigquery', merged: 2 });
    expect(await stagedRows(runId)).toEqual([{ n: '0' }]);
  }, 60_000);

  it('ends with a signal, the job of BigQuery and the keys with it, and can be abandoned', async () => {
    await pending();
    const runId = newRunId();
    await box.faults({ kind: 'job-stuck', service: 'bigquery', sql: 'CREATE TEMP TABLE reseal_selected' });
    const stop = new AbortController();
    const target = { deployment: box.deployment, endpoints: box.sandbox.endpoints };
    const running = run(
      await runContext(target, stop.signal),
      { runId, mode: 'pending', limit: null, engine: 'bigquery' },
      {
        step: (_name, work) =>
          work(({ message }) => {
            if (message?.startsWith('BigQuery seals')) stop.abort(new Error('ctrl-C'));
          }),
      },
    );
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    await box.faults();
    expect(await keyRows()).toEqual([{ n: '0' }]);
    await box.sql(`INSERT INTO data_keys (run_id, key_set) VALUES ('${runId}', 'left by a kill')`);
    await abandon(box.context, runId, true);
    expect([await keyRows(), await stagedRows(runId)]).toEqual([[{ n: '0' }], [{ n: '0' }]]);
    expect(await box.run({ engine: 'bigquery' })).toMatchObject({ merged: 2 });
  }, 60_000);

  it('has its keys taken away by the merge, where it could not do so itself', async () => {
    await pending();
    const runId = newRunId();
    const killed = beforeStep('merge', async () => {
      await box.sql(`INSERT INTO data_keys (run_id, key_set) VALUES ('${runId}', 'left by a kill')`);
    });
    await box.run({ runId, engine: 'bigquery' }, killed);
    expect(await keyRows()).toEqual([{ n: '0' }]);
  });

  describe('on its own', () => {
    type Starting = BigQueryService['start'];
    const passing = () => Object.assign(new Error('away'), { errors: [{ reason: 'backendError' }] });
    let runId = '';
    let input: StageInput;

    // A stack's first run makes the keyset.
    beforeAll(async () => {
      await pending();
      await box.run({ engine: 'direct' });
    });
    beforeEach(async () => {
      await box.sql('DELETE FROM data_keys WHERE TRUE');
      await pending();
      runId = newRunId();
      const [keyset] = await box.sql('SELECT version, wrapped, kms_key FROM keysets ORDER BY version DESC');
      input = {
        runId,
        mode: 'pending',
        snapshotMillis: String(Date.now()),
        idFrom: NO_FLOOR,
        idCutoff: NO_CUTOFF,
        limit: null,
        ...WHOLE,
        selected: 2,
        keyset: {
          version: Number(keyset?.version),
          wrapped: Buffer.from(keyset?.wrapped ?? '', 'base64'),
          kmsKey: keyset?.kms_key ?? '',
        },
        spent: [],
      };
    });
    // The next one then has two values of its own.
    afterEach(() => box.run({ engine: 'direct' }));

    /** A stage whose statement that seals is started in another way. */
    function staging(anew: boolean, start?: (ordinary: Starting) => Starting, signal?: AbortSignal) {
      const { bigquery, deployment } = box.context;
      const service = start === undefined ? bigquery : { ...bigquery, start: start(bigquery.start) };
      const engine = bigqueryEngine(deployment, service, box.sandbox.endpoints);
      const spent = anew ? [sealJobId(box.deployment, runId, 1)] : [];
      return engine.stage({ ...input, spent }, () => {}, signal ?? new AbortController().signal);
    }

    const ofAttempt = async (n: number) =>
      (
        await box.sql(
          `SELECT COUNT(*) AS n FROM users_temp WHERE attempt = '${sealJobId(box.deployment, runId, n)}'`,
        )
      )[0]?.n;

    it('takes what an earlier process has staged, and stages anew where that is not whole', async () => {
      const first = await staging(false);
      expect(first).toMatchObject({ kmsCalls: 2, attempt: sealJobId(box.deployment, runId, 1) });
      expect(await staging(false)).toMatchObject({ kmsCalls: null, attempt: first.attempt });
      expect(await stagedRows(runId)).toEqual([{ n: '2' }]);
      const second = await staging(true);
      expect(second.attempt).toBe(sealJobId(box.deployment, runId, 2));
      expect(await ofAttempt(2)).toBe('2');
    });

    it('does not take keys that are gone for values that are none', async () => {
      let sets: Row[] = [];
      const gone = staging(false, (ordinary) => async (...call) => {
        sets = await box.sql('SELECT DISTINCT key_set FROM data_keys');
        await box.sql('DELETE FROM data_keys WHERE name IS NOT NULL');
        return ordinary(...call);
      });
      await expect(gone).rejects.toMatchObject({ code: 'data-keys-gone' });
      expect(sets).toEqual([{ key_set: expect.stringMatching(/_keys_1_[0-9a-f]{8}$/) }]);
      expect(await staging(false)).toMatchObject({
        kmsCalls: 2,
        attempt: sealJobId(box.deployment, runId, 2),
      });
      expect(await ofAttempt(2)).toBe('2');
    });

    it('takes no rows that an earlier try has left for its attempt', async () => {
      const broken = staging(false, () => async () => {
        throw new Error('broken');
      });
      await expect(broken).rejects.toMatchObject({ code: 'bigquery' });
      expect(await ofAttempt(1)).toBe('1');
      await box.sql(`INSERT INTO users_temp (id, run_id, attempt, field, resealed_from, reason)
        VALUES (1, '${runId}', '${sealJobId(box.deployment, runId, 1)}', 'email', b'', 'dek-refused')`);
      expect(await staging(false)).toMatchObject({ attempt: sealJobId(box.deployment, runId, 1) });
      expect(await ofAttempt(1)).toBe('2');
    });

    it.each([false, true])(
      'goes on under the same id where no job was made, and takes the job whose answer was lost (anew: %s)',
      async (anew) => {
        if (anew) await staging(false);
        const n = anew ? 2 : 1;
        let calls = 0;
        const lost = await staging(anew, (ordinary) => async (...call) => {
          calls += 1;
          if (calls === 2) await ordinary(...call);
          throw passing();
        });
        expect([calls, lost.attempt]).toEqual([2, sealJobId(box.deployment, runId, n)]);
        expect([await ofAttempt(n), await ofAttempt(n + 1)]).toEqual(['2', '0']);
      },
    );

    it('cancels a job that comes to be after the signal', async () => {
      await box.faults({ kind: 'job-stuck', service: 'bigquery', sql: 'CREATE TEMP TABLE reseal_selected' });
      const end = new AbortController();
      const late = staging(
        false,
        (ordinary) =>
          async (...call) => {
            end.abort(new Error('ctrl-C'));
            await sleep(300);
            return ordinary(...call);
          },
        end.signal,
      );
      await expect(late).rejects.toThrow('ctrl-C');
      const { client } = box.context.bigquery;
      const job = client.job(sealJobId(box.deployment, runId, 1), { location: box.deployment.location });
      await vi.waitFor(async () => {
        const [{ status }] = await job.getMetadata();
        expect(status).toMatchObject({ state: 'DONE', errorResult: { reason: 'stopped' } });
      }, 5_000);
      await box.faults();
    });

    it('ends with the signal while nobody answers, and leaves the keys to who has taken the run over', async () => {
      for (const [reason, left] of [
        [new Error('ctrl-C'), '0'],
        [new ResealError('run-taken-over', 'another process drives the run'), '3'],
      ] as const) {
        const end = new AbortController();
        const silent = staging(
          true,
          () => () => {
            setTimeout(() => end.abort(reason), 10);
            return new Promise(() => {});
          },
          end.signal,
        );
        await expect(silent).rejects.toBe(reason);
        expect(await keyRows()).toEqual([{ n: left }]);
      }
    });
  });
});
