import type { BatchControllerClient } from '@google-cloud/dataproc';
import { type BatchBody, batchBody } from '../../contract/batch.ts';
import type { Deployment } from '../../contract/deployment.ts';
import { ResealError } from '../../contract/errors.ts';
import { batchId, MAX_ATTEMPTS, waveId } from '../../contract/ids.ts';
import { isTakenOver, unlessAborted, withGrace, within } from '../../google/bounds.ts';
import { googleFailure } from '../../google/failures.ts';
import { mayPass, repeated } from '../../google/repeated.ts';
import { ANSWER_MS, unanswered } from '../../google/wait-limits.ts';
import type { StageInput } from '../engine.ts';
import { batchFailure } from './batch-failure.ts';
import {
  type Asking,
  type Batch,
  cancel,
  ending,
  existing,
  isOf,
  settled,
  stateOf,
  TERMINAL,
} from './batch-looks.ts';

/** The batch in the client library's form: the REST body, but for the duration. */
export function clientBatch(body: BatchBody): Batch {
  const { executionConfig } = body.environmentConfig;
  const ttl = { seconds: Number.parseInt(executionConfig.ttl, 10) };
  return { ...body, environmentConfig: { executionConfig: { ...executionConfig, ttl } } } as Batch;
}

/** An answer to the creation is waited for so long after an interrupt. */
const GRACE_MS = 1_500;
/** The cancellation of a batch that comes to be after that is asked for so long. */
const LATE_MS = 2_000;

/**
 * The name of the wave's batch: one under way or done is taken, a failed or cancelled one gets a successor, and so
 * does one whose rows are not whole, or that is another stack's.
 */
export async function findOrCreate(
  asking: Asking,
  deployment: Deployment,
  input: StageInput,
): Promise<string> {
  const parent = `projects/${deployment.project}/locations/${deployment.location}`;
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const id = batchId(waveId(input.runId, input.wave), attempt);
    if (input.spent.includes(id)) continue;
    const name = `${parent}/batches/${id}`;
    const found = await settled(asking, name);
    if (found !== null && !(isOf(deployment, found) && isOfUse(found))) continue;
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
    const isNew = await create(asking, deployment, name, { parent, batch, batchId: id });
    // An interrupted run cancels the batch, if it is its own.
    if (isNew || asking.signal.aborted) return name;
    const met = await existing(asking, name);
    if (met === null || isOf(deployment, met)) return name;
  }
  throw new ResealError('batch-failed', `${MAX_ATTEMPTS} batches of run ${input.runId} failed`, {
    hint: `no further one is made: mend what they failed of, then \`npm run reseal -- abandon ${input.runId}\` and start a new run`,
  });
}

const isOfUse = (found: Batch): boolean => !['FAILED', 'CANCELLED'].includes(stateOf(found));

/**
 * Sees to it that there is a batch of this name, and returns whether there was none before: a lost answer or another
 * process may have made it, be it of another stack. After an interrupt an answer under way is waited for a moment, so that
 * there is a batch to cancel; one that comes to be later is cancelled if it does so within another moment.
 *
 * @throws what Dataproc answered; ResealError where nobody knows whether there is a batch: `cancel-failed` after an interrupt,
 * else `batch`
 */
async function create(
  { client, signal, lookMs: ms, missed, afterwards }: Asking,
  deployment: Deployment,
  name: string,
  request: NonNullable<Parameters<BatchControllerClient['createBatch']>[0]>,
): Promise<boolean> {
  const call = () => within(ANSWER_MS, client.createBatch(request), unanswered);
  const creating = repeated(call, { ms, signal, missed, passes: leavesOpen }).then(
    () => true,
    (error: unknown) => {
      if (googleFailure(error).status !== 'ALREADY_EXISTS') throw error;
      return false;
    },
  );
  const unclear = (why: string) => new ResealError('cancel-failed', `${name} may have been created: ${why}`);
  try {
    return await withGrace(creating, signal, GRACE_MS, () => unclear('no answer'));
  } catch (error) {
    const late = error instanceof ResealError;
    const lost = leavesOpen(error) || (error instanceof Error && error.name === 'AbortError');
    if (!(late || lost)) throw error;
    const taken = `batch ${request.batchId} may be at work; \`--resume RUN\` takes it`;
    if (!signal.aborted) throw batchFailure(error, signal, taken);
    if (!isTakenOver(signal))
      afterwards(creating.catch(() => {}).then(() => cancelLate(client, deployment, name)));
    throw late ? error : unclear(leavesOpen(error) ? googleFailure(error).message : 'no answer');
  }
}

/**
 * Whether there may be a batch although its creation failed, so that the same call says more. A quota that does not suffice
 * for the batch, CPUs for instance, is a refusal, and no matter of minutes.
 */
const leavesOpen = (error: unknown): boolean =>
  mayPass(error) && googleFailure(error).status !== 'RESOURCE_EXHAUSTED';

/** The signal of the run has been given by then, so that this has a limit of its own. */
const cancelLate = (client: BatchControllerClient, deployment: Deployment, name: string): Promise<void> =>
  repeated(() => cancel(client, deployment, name), { ms: LATE_MS, signal: AbortSignal.timeout(LATE_MS) });

/**
 * Cancels a wave's batches that are still at work, waits for their end and returns their ids. Somebody may have deleted
 * one before them, so that every id is looked for.
 */
export async function cancelBatches(asking: Asking, deployment: Deployment, wave: string): Promise<string[]> {
  const { project, location } = deployment;
  const { client, signal, lookMs: ms, missed } = asking;
  const ended = async (id: string): Promise<string[]> => {
    const name = `projects/${project}/locations/${location}/batches/${id}`;
    const found = await existing(asking, name);
    if (found === null || !isOf(deployment, found) || TERMINAL.includes(stateOf(found))) return [];
    if (stateOf(found) !== 'CANCELLING')
      await unlessAborted(
        repeated(() => cancel(client, deployment, name), { ms, signal, missed }),
        signal,
      );
    await ending(asking, name, (seen) => TERMINAL.includes(stateOf(seen)));
    return [id];
  };
  const ids = Array.from({ length: MAX_ATTEMPTS }, (_, at) => batchId(wave, at + 1));
  return (await Promise.all(ids.map(ended))).flat();
}
