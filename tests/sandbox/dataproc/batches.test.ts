import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Batch, Batches, ended } from '../../../sandbox/dataproc/batches.ts';
import { Faults } from '../../../sandbox/faults/plane.ts';
import { parseRules } from '../../../sandbox/faults/rules.ts';

const NAME = 'projects/p/locations/l/batches/a-batch';
const faults = new Faults();
let folder: string;
let batches: Batches;
let done: number;
let printed: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reseal-batches-'));
  [done, printed] = [0, ''];
  const output = {
    uri: 'gs://b/output',
    write: (text: string) => {
      printed += text;
    },
    close: async () => {},
  };
  batches = new Batches(
    folder,
    async () => void done++,
    () => output,
    faults,
  );
});
afterEach(async () => {
  await batches.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A batch under a rule, once it has ended or reached a state. */
async function batch(rule: object, state?: Batch['state']): Promise<Batch> {
  faults.set(parseRules({ rules: [{ service: 'dataproc', ...rule }] }));
  const made = batches.create(NAME, {}, null, 'user:job@sandbox.invalid');
  while (state === undefined ? !ended(made) : made.state !== state) await sleep(5);
  return made;
}

it('fails before its work, once its driver has printed what the rule says', async () => {
  const made = await batch({ kind: 'batch-failed', output: 'a line\n' });
  expect([made.state, done, printed]).toEqual(['FAILED', 0, 'a line\n']);
});

it.each([
  ['batch-failed', 'before', 'FAILED', 0],
  ['batch-failed', 'after', 'FAILED', 1],
  ['batch-cancelled', 'before', 'CANCELLED', 0],
  ['batch-cancelled', 'after', 'CANCELLED', 1],
])('%s %s its work', async (kind, when, state, work) => {
  const made = await batch({ kind, when });
  expect([made.state, done]).toEqual([state, work]);
});

it.each(['PENDING', 'RUNNING'] as const)('is stuck in %s until it is cancelled', async (state) => {
  const made = await batch({ kind: 'batch-stuck', state }, state);
  await sleep(50);
  expect([made.state, done]).toEqual([state, 0]);
  batches.cancel(made.operation);
  while (!ended(made)) await sleep(5);
  expect([made.state, done]).toEqual(['CANCELLED', 0]);
});

it('works without a driver output', async () => {
  const made = await batch({ kind: 'batch-silent' });
  expect([made.state, made.runtimeInfo.outputUri, done]).toEqual(['SUCCEEDED', undefined, 1]);
});
