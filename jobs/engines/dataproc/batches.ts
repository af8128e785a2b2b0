import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchControllerClient, protos } from '@google-cloud/dataproc';
import { type BatchBody, batchBody } from '../../contract/batch.ts';
import type { Deployment } from '../../contract/deployment.ts';
import { ResealError } from '../../contract/errors.ts';
import { batchId, MAX_ATTEMPTS, waveId } from '../../contract/ids.ts';
import { unlessAborted, withGrace, within } from '../../google/bounds.ts';
import { googleFailure } from '../../google/failures.ts';
import { ANSWER_MS, unanswered } from '../../google/wait-limits.ts';
import type { StageInput } from '../engine.ts';

export type Batch = protos.google.cloud.dataproc.v1.IBatch;

/** PENDING, RUNNING, CANCELLING, CANCELLED, SUCCEEDED or FAILED. */
export const stateOf = (batch: Batch): string => String(batch.state);

/** The states that a batch never leaves. */
export const TERMINAL: readonly string[] = ['SUCCEEDED', 'FAILED', 'CANCELLED'];

/** The batch in the client library's form: the REST body, but for the duration. */
export function clientBatch(body: BatchBody): Batch {
  const { executionConfig } = body.environmentConfig;
  const ttl = { seconds: Number.parseInt(executionConfig.ttl, 10) };
  return { ...body, environmentConfig: { executionConfig: { ...executionConfig, ttl } } } as Batch;
}

/** A batch that is being cancelled ends within a minute or so; it is looked at so often. */
const CANCELLING_LOOK_MS = 1_000;
/** Beyond that something is wrong with it. */
const CANCELLING_MS = 10 * 60_000;

const GRACE_MS = 1_500;

/**
 * The name of the wave's batch: one under way or done is taken, a failed or cancelled one gets a successor, and so
 * does one whose rows are not whole.
 */
export async function findOrCreate(
  client: BatchControllerClient,
  deployment: Deployment,
  input: StageInput,
  signal: AbortSignal,
): Promise<string> {
  const parent = `projects/${deployment.project}/locations/${deployment.location}`;
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const id = batchId(waveId(input.runId, input.wave), attempt);
    if (input.spent.includes(id)) continue;
    const name = `${parent}/batches/${id}`;
    const found = await settled(client, name, signal);
    if (found !== null && ['FAILED', 'CANCELLED'].includes(stateOf(found))) continue;
    await input.begin?.(id);
    if (found !== null) return name;
    const batch = clientBatch(
      batchBody(deployment, {
        runId: input.runId,
        attempt: id,
        mode: input.mode,
        snapshotMillis: input.snapshotMillis,
        idFrom: input.idFrom,
        idCutoff: input.idCutoff,
        wave: String(input.wave),
        waves: String(input.waves),
        keysetVersion: String(input.keyset.version),
        kmsKey: input.keyset.kmsKey,
        limit: String(input.limit ?? 0),
      }),
    );
    try {
      const request = { parent, batch, batchId: id };
      // Its answer is waited for even after an interrupt, which then has a batch to cancel.
      const late = () => new ResealError('cancel-failed', `${name} may have been created: no answer`);
      const creating = within(ANSWER_MS, client.createBatch(request), unanswered);
      await withGrace(creating, signal, GRACE_MS, late);
    } catch (error) {
      if (googleFailure(error).status !== 'ALREADY_EXISTS') throw error;
    }
    return name;
  }
  throw new ResealError('batch-failed', `${MAX_ATTEMPTS} batches of run ${input.runId} failed`);
}

/**
 * Cancels a wave's batches that are still at work, waits for their end and returns their ids. Attempts follow each
 * other without a gap.
 */
export async function cancelBatches(
  client: BatchControllerClient,
  { project, location }: Deployment,
  wave: string,
  signal: AbortSignal,
): Promise<string[]> {
  const ended: string[] = [];
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const id = batchId(wave, attempt);
    const name = `projects/${project}/locations/${location}/batches/${id}`;
    const found = await unlessAborted(existing(client, name), signal);
    if (found === null) break;
    if (TERMINAL.includes(stateOf(found))) continue;
    if (stateOf(found) !== 'CANCELLING') await unlessAborted(cancel(client, name), signal);
    await ending(client, name, signal, (seen) => TERMINAL.includes(stateOf(seen)));
    ended.push(id);
  }
  return ended;
}

/** Looks at a cancelled batch until it is as wanted or gone. */
async function ending(
  client: BatchControllerClient,
  name: string,
  signal: AbortSignal,
  wanted: (batch: Batch) => boolean,
): Promise<Batch | null> {
  for (const since = performance.now(); ; ) {
    const found = await unlessAborted(existing(client, name), signal);
    if (found === null || wanted(found)) return found;
    if (performance.now() - since > CANCELLING_MS)
      throw new ResealError('cancel-pending', `${name} was cancelled and has not ended`, {
        hint: 'look at it in the console; try again once it has ended',
      });
    await sleep(CANCELLING_LOOK_MS, undefined, { signal });
  }
}

/** The batch, once it is clear whether it goes on: an earlier interrupt may still be ending it. */
const settled = (client: BatchControllerClient, name: string, signal: AbortSignal): Promise<Batch | null> =>
  ending(client, name, signal, (seen) => stateOf(seen) !== 'CANCELLING');

async function existing(client: BatchControllerClient, name: string): Promise<Batch | null> {
  try {
    const [batch] = await within(ANSWER_MS, client.getBatch({ name }), unanswered);
    return batch;
  } catch (error) {
    if (googleFailure(error).status === 'NOT_FOUND') return null;
    throw error;
  }
}

/** https://cloud.google.com/dataproc-serverless/docs/reference/rest/v1/projects.regions.operations/cancel */
export async function cancel(client: BatchControllerClient, name: string): Promise<void> {
  const [batch] = await client.getBatch({ name });
  const request = { name: batch.operation } as Parameters<typeof client.operationsClient.cancelOperation>[0];
  if (batch.operation) await client.operationsClient.cancelOperation(request);
}
