import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, type Harness, harness, KEY, LOCATION, PROJECT } from '../../support/harness.ts';

let h: Harness;
beforeAll(async () => {
  h = await harness();
  await h.sql('CREATE TABLE poc.t (id INT64)');
});
afterAll(() => h.close());
beforeEach(() => faults());

/** Rules for the calls of the project's owner, who makes all of these. */
async function faults(...rules: object[]): Promise<void> {
  const member = 'user:owner@sandbox.invalid';
  const body = { rules: rules.map((rule) => ({ service: 'bigquery', member, ...rule })) };
  const { status, body: answer } = await h.rest('POST', '/sandbox/v1/faults', body);
  expect(answer.error?.message ?? status).toBe(200);
}

const JOBS = `/bigquery/v2/projects/${PROJECT}/jobs`;
const insert = (query: string, jobId?: string) =>
  h.rest('POST', JOBS, {
    ...(jobId === undefined ? {} : { jobReference: { jobId, location: LOCATION } }),
    configuration: { query: { query, useLegacySql: false } },
  });
const tables = (init: object = {}) =>
  fetch(`${h.origin}/bigquery/v2/projects/${PROJECT}/datasets/poc/tables`, {
    headers: { authorization: `Bearer ${h.token}` },
    ...init,
  });

describe('a call', () => {
  it.each([
    ['quota', 429, 'RESOURCE_EXHAUSTED'],
    ['internal', 500, 'INTERNAL'],
    ['unavailable', 503, 'UNAVAILABLE'],
    ['expired-token', 401, 'UNAUTHENTICATED'],
  ])('answered with %s', async (kind, status, name) => {
    await faults({ kind, method: 'tables.list', from: 2 });
    expect((await tables()).status).toBe(200);
    const second = await tables();
    expect(second.status).toBe(status);
    expect(((await second.json()) as Answer).error.status).toBe(name);
    expect((await tables()).status).toBe(200);
  });

  it('is told how long to wait, in a header and in the body', async () => {
    await faults({ kind: 'quota', retryAfterSeconds: 7 });
    const answer = await tables();
    expect(answer.headers.get('retry-after')).toBe('7');
    expect(((await answer.json()) as Answer).error.details).toEqual([
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '7s' },
    ]);
  });

  it("is denied in the service's words, with the permission that its method asks for", async () => {
    await faults({ kind: 'denied' });
    expect(((await (await tables()).json()) as Answer).error.message).toContain(
      'Permission bigquery.tables.list denied on dataset',
    );
    await faults({ service: 'kms', kind: 'denied' });
    const { body } = await h.rest('POST', `/v1/${KEY}:decrypt`, { ciphertext: '' });
    expect(body.error.message).toContain(
      `'cloudkms.cryptoKeyVersions.useToDecrypt' denied on resource '${KEY}'`,
    );
  });

  it('waits, and with a rate no second lets more through', async () => {
    await faults({ kind: 'latency', ms: 300 });
    const since = performance.now();
    await tables();
    expect(performance.now() - since).toBeGreaterThan(290);
    await faults({ kind: 'rate', perSecond: 3 });
    await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)));
    const answers = await Promise.all(Array.from({ length: 9 }, () => tables()));
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(6);
  });

  it('whose connection drops is not carried out before, and is after', async () => {
    await faults({ kind: 'drop', method: 'jobs.insert' });
    await expect(insert('SELECT 1', 'dropped')).rejects.toThrow();
    expect((await h.rest('GET', `${JOBS}/dropped?location=${LOCATION}`)).status).toBe(404);
    await faults({ kind: 'drop', method: 'jobs.insert', when: 'after' });
    await expect(insert('SELECT 1', 'dropped')).rejects.toThrow();
    expect((await h.rest('GET', `${JOBS}/dropped?location=${LOCATION}`)).status).toBe(200);
    await faults({ kind: 'unavailable', method: 'jobs.insert', when: 'after' });
    expect((await insert('SELECT 1', 'unavailable')).status).toBe(503);
    expect((await h.rest('GET', `${JOBS}/unavailable?location=${LOCATION}`)).status).toBe(200);
  });

  it('gets half of its answer, which promised to be whole', async () => {
    const whole = await (await tables()).text();
    await faults({ kind: 'half' });
    const { received, promised, complete } = await new Promise<Record<string, unknown>>((resolve, reject) => {
      const url = `${h.origin}/bigquery/v2/projects/${PROJECT}/datasets/poc/tables`;
      const call = request(url, { headers: { authorization: `Bearer ${h.token}` } }, (answer) => {
        let text = '';
        answer.on('data', (part) => {
          text += part;
        });
        answer.on('error', () => {});
        answer.on('close', () =>
          resolve({ received: text, promised: answer.headers['content-length'], complete: answer.complete }),
        );
      });
      call.on('error', reject).end();
    });
    expect(promised).toBe(String(whole.length));
    expect(received).toBe(whole.slice(0, Math.floor(whole.length / 2)));
    expect(complete).toBe(false);
  });

  it('ends the process before or after it was carried out', async () => {
    const main = fileURLToPath(new URL('../../support/killed-server.ts', import.meta.url));
    for (const when of ['before', 'after']) {
      const child = spawn(process.execPath, ['--import', 'tsx', main, when], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (part) => {
        said += part;
      });
      expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
      expect(said).toBe(when === 'before' ? '' : 'carried out\n');
    }
  });
});

describe('a job', () => {
  it.each(['rateLimitExceeded', 'backendError'])('fails with %s inside a 200', async (reason) => {
    await faults({ kind: 'job-error', reason, sql: 'poc.t' });
    expect((await insert('SELECT 1')).body.status.errorResult).toBeUndefined();
    const { status, body } = await insert('INSERT INTO poc.t (id) VALUES (1)');
    expect(status).toBe(200);
    expect(body.status).toMatchObject({ state: 'DONE', errorResult: { reason } });
    expect(await h.sql('SELECT COUNT(*) FROM poc.t')).toEqual([['0']]);
  });

  it('runs for ever, until it is cancelled', async () => {
    await faults({ kind: 'job-stuck', of: 'query' });
    expect((await insert('SELECT 1', 'stuck')).body.status.state).toBe('RUNNING');
    const { body } = await h.rest(
      'GET',
      `/bigquery/v2/projects/${PROJECT}/queries/stuck?location=${LOCATION}&timeoutMs=50`,
    );
    expect(body.jobComplete).toBe(false);
    await h.rest('POST', `${JOBS}/stuck/cancel?location=${LOCATION}`);
    expect((await h.rest('GET', `${JOBS}/stuck?location=${LOCATION}`)).body.status).toMatchObject({
      state: 'DONE',
      errorResult: { reason: 'stopped' },
    });
  });

  it('finds rows in the streaming buffer, which only an INSERT leaves alone', async () => {
    const rule = { kind: 'streaming-buffer', table: 't', count: null };
    await faults(rule);
    await h.sql('INSERT INTO poc.t (id) VALUES (5)');
    for (const sql of [
      'UPDATE poc.t SET id = 6 WHERE TRUE',
      'DELETE FROM poc.t WHERE TRUE',
      'MERGE poc.t AS t USING (SELECT 5 AS id) AS s ON t.id = s.id WHEN MATCHED THEN DELETE',
    ])
      expect(await h.failure(sql)).toContain('would affect rows in the streaming buffer');
    await faults();
    expect(await h.sql('SELECT id FROM poc.t')).toEqual([['5']]);
  });
});

it('the control route names what is wrong with a rule, and keeps those at work', async () => {
  await faults({ kind: 'denied', method: 'tables.get' });
  const { status, body } = await h.rest('POST', '/sandbox/v1/faults', { rules: [{ kind: 'rain' }] });
  expect(status).toBe(400);
  expect(body.error.message).toMatch(/^faults-rule: rules\[0\]\.kind: must be one of latency/);
  const { body: shown } = await h.rest('GET', '/sandbox/v1/faults');
  expect(shown.rules).toMatchObject([{ rule: { kind: 'denied' }, calls: 0, hits: 0 }]);
});
