import { createCipheriv, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { planLines } from '../../jobs/cli/show-plan.ts';
import { reportRows } from '../../jobs/cli/words.ts';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { RunContext, Watcher } from '../../jobs/run/context.ts';
import { estimate } from '../../jobs/run/cost.ts';
import { plan } from '../../jobs/run/plan.ts';
import { knownRun } from '../../jobs/run/recorded-run.ts';
import type { Report } from '../../jobs/run/report.ts';
import { resume, run } from '../../jobs/run/run.ts';
import { Application } from '../support/application.ts';
import { beforeStep, silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** AES-CBC has no tag: what comes of a value whose IV somebody has changed. */

const application = new Application('dotted');
const key = application.newKey();
const [ALICE, MALLORY] = ['alice@example.com', 'mallory@evil.comm'];

function cbc(text: string, iv = randomBytes(16)): string {
  const cipher = createCipheriv('aes-256-cbc', key.unwrapped, iv);
  return `${iv.toString('base64')}.${Buffer.concat([cipher.update(text), cipher.final()]).toString('base64')}`;
}

/** The first block of the value is what the forger wants; no key was needed. */
function forged(): string {
  const [iv = '', sealed] = cbc(ALICE).split('.');
  const flipped = Buffer.from(iv, 'base64').map(
    (byte, at) => byte ^ ALICE.charCodeAt(at) ^ MALLORY.charCodeAt(at),
  );
  return `${Buffer.from(flipped).toString('base64')}.${sealed}`;
}

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({ sourceFormat: 'dotted', storePlaintext: 'true', maxRejectedShare: '1' });
});
afterAll(() => box?.close());
beforeEach(async () => {
  for (const table of ['users', 'users_temp', 'users_rejected', 'runs'])
    await box.sql(`DELETE FROM ${table} WHERE TRUE`);
  const rows = [cbc('bob@example.com'), forged(), key.encrypt('even@example.com')];
  await box.load(
    application,
    rows.map((cipher_text, at) => ({ id: String(at + 1), cipher_text, dek: key.dek })),
  );
});

/** The sandbox under other settings. */
async function under(given: Partial<Deployment>, valuePattern: string | null = null): Promise<RunContext> {
  const fields = box.deployment.fields.map((field) => ({ ...field, valuePattern }));
  return box.under({ fields, ...given });
}
/** A process that ends without recording it in the ledger. */
const silenced = (context: RunContext): RunContext => ({
  ...context,
  bigquery: {
    ...context.bigquery,
    query: (statement, given) =>
      statement.name === 'end'
        ? Promise.reject(new Error('killed'))
        : context.bigquery.query(statement, given),
  },
});

const OPTIONS = { mode: 'pending', limit: null, engine: 'direct' } as const;
const carryOut = (context: RunContext, runId = newRunId(), watcher: Watcher = silent): Promise<Report> =>
  run(context, { ...OPTIONS, runId }, watcher);
const values = async (): Promise<Record<string, unknown>> =>
  Object.fromEntries(
    (await box.sql('SELECT id, decrypted_email AS email FROM users ORDER BY id')).map(({ id, email }) => [
      id,
      email,
    ]),
  );
const [accepting, rejecting] = [{ unauthenticated: 'accept' }, { unauthenticated: 'reject' }] as const;

describe('unauthenticated: accept', () => {
  it('seals values without a tag, and counts them apart in plan, report and ledger', async () => {
    const context = await under(accepting);
    const planned = await plan(context, { ...OPTIONS, runId: newRunId() });
    expect(planned).toMatchObject({ selected: 3, unauthenticated: 2 });
    expect(
      planLines(
        planned,
        estimate({ ...planned, kmsCallsPerSecond: 1, maxExecutors: 2 }, { bytes: 0, billed: 0 }),
        null,
      ),
    ).toMatch(/without a tag +2/);
    const report = await carryOut(context);
    expect(report).toMatchObject({ merged: 3, rejected: 0, unauthenticated: 2 });
    expect(reportRows(report)).toContainEqual(['  without a tag', 2]);
    expect(await knownRun(context, report.run_id)).toMatchObject({ unauthenticated: 2 });
    expect(await values()).toMatchObject({ 2: MALLORY });
  });
});

describe('unauthenticated: reject', () => {
  it('seals none of them, and takes them again once they are accepted', async () => {
    expect(await carryOut(await under(rejecting))).toMatchObject({
      merged: 1,
      unauthenticated: 0,
      reasons: { unauthenticated: 2 },
    });
    expect(await values()).toEqual({ 1: null, 2: null, 3: 'even@example.com' });
    expect(await carryOut(await under(rejecting))).toMatchObject({ selected: 0 });
    expect(await carryOut(await under(accepting))).toMatchObject({ selected: 2, merged: 2 });
  });

  it.each(['verify', 'merge'])('seals none that were staged before, resumed from before %s', async (step) => {
    const runId = newRunId();
    const killed = beforeStep(step, () => Promise.reject(new Error('the process ends here')));
    await expect(carryOut(silenced(await under(accepting)), runId, killed)).rejects.toThrow('ends here');
    const strict = await under(rejecting);
    await expect(resume(strict, runId, silent)).rejects.toMatchObject({ code: 'resume-changed' });
    // An older version kept no list of a run's settings.
    await box.sql('UPDATE runs SET settings = NULL WHERE TRUE');
    await expect(resume(strict, runId, silent)).rejects.toMatchObject({
      code: step === 'verify' ? 'verify-count' : 'merge-count',
    });
    expect(await values()).toEqual({ 1: null, 2: null, 3: null });
    expect(await resume(strict, runId, silent)).toMatchObject({ merged: 1, reasons: { unauthenticated: 2 } });
    expect(await values()).toEqual({ 1: null, 2: null, 3: 'even@example.com' });
  });
});

describe('valuePattern', () => {
  it('rejects what opens to something else, until the pattern is another one', async () => {
    const ours = await under(accepting, String.raw`[a-z]+@example\.com`);
    expect(await carryOut(ours)).toMatchObject({ merged: 2, reasons: { 'value-pattern': 1 } });
    expect(await values()).toEqual({ 1: 'bob@example.com', 2: null, 3: 'even@example.com' });
    expect(await box.sql('SELECT id, reason, value_pattern FROM users_rejected')).toEqual([
      { id: '2', reason: 'value-pattern', value_pattern: String.raw`[a-z]+@example\.com` },
    ]);
    expect(await carryOut(ours)).toMatchObject({ selected: 0 });
    expect(await carryOut(await under(accepting, "[^'@]+@[^@]+"))).toMatchObject({ selected: 1, merged: 1 });
  });

  it('is no longer in force once there is none', async () => {
    expect(await carryOut(await under(accepting, 'nobody'))).toMatchObject({ rejected: 3 });
    expect(await carryOut(await under(accepting))).toMatchObject({ selected: 3, merged: 3 });
  });
});
