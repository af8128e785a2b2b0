import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  bucket,
  completed,
  entries,
  follow,
  JOB,
  JOBS,
  left,
  program,
  run,
  template,
} from '../../support/cloud-run.ts';
import { type Harness, harness } from '../../support/harness.ts';

let h: Harness;
const folder = mkdtempSync(join(tmpdir(), 'reseal-cloud-run-'));
const begun = join(folder, 'begun');

beforeAll(async () => {
  h = await harness();
  await bucket(h);
  await program(
    h,
    `
import { writeFileSync } from 'node:fs';
writeFileSync(${JSON.stringify(begun)}, '');
process.on('SIGTERM', () => {});
console.log('halfway');
setTimeout(() => console.log('done'), 60_000);
`,
  );
  await h.rest('POST', `/v2/${JOBS}?jobId=a-job`, { template: template() });
});
afterAll(async () => {
  await h.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A rule for the calls of the project's owner, who makes all of these. */
async function fault(rule: object): Promise<void> {
  const rules = [{ service: 'run', member: 'user:owner@sandbox.invalid', ...rule }];
  const { status, body } = await h.rest('POST', '/sandbox/v1/faults', { rules });
  expect(body.error?.message ?? status).toBe(200);
}

it('an execution whose image cannot be had does not begin', async () => {
  await fault({ kind: 'execution-without-image' });
  const execution = await follow(h, await run(h));
  expect(execution.failedCount).toBe(1);
  expect(execution).not.toHaveProperty('startTime');
  expect(completed(execution)).toMatchObject({
    state: 'CONDITION_FAILED',
    reason: 'CONTAINER_MISSING',
    message: "Image 'us-docker.pkg.dev/an/image' not found.",
  });
});

it('an execution is killed in its middle, though it would not end by itself', async () => {
  await fault({ kind: 'execution-killed', output: 'half' });
  const execution = await follow(h, await run(h));
  await left(begun);
  expect(completed(execution)).toMatchObject({ executionReason: 'NON_ZERO_EXIT_CODE' });
  expect(entries(execution).map(({ textPayload }) => textPayload)).toEqual([
    'halfway',
    'Container terminated on SIGKILL.',
  ]);
});

it('an execution is killed as soon as it has begun', async () => {
  await fault({ kind: 'execution-killed' });
  const execution = await follow(h, await run(h));
  expect(execution).toMatchObject({ failedCount: 1, startTime: expect.any(String) });
});

it('a call that starts one finds Cloud Run unavailable once, before an execution is there or after', async () => {
  const count = async () => (await h.rest('GET', `/v2/${JOB}/executions`)).body.executions.length;
  for (const when of ['before', 'after']) {
    const there = await count();
    await fault({ kind: 'unavailable', method: 'jobs.run', when });
    await expect(run(h)).rejects.toThrow('unavailable');
    expect(await count()).toBe(when === 'before' ? there : there + 1);
  }
});
