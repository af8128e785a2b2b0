import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchControllerClient, protos } from '@google-cloud/dataproc';
import { stackArguments } from '../../contract/batch.ts';
import type { Deployment } from '../../contract/deployment.ts';
import { ResealError } from '../../contract/errors.ts';
import { CANCELLING_MINUTES } from '../../contract/wait-terms.ts';
import { unlessAborted, within } from '../../google/bounds.ts';
import { googleFailure } from '../../google/failures.ts';
import { repeated } from '../../google/repeated.ts';
import { ANSWER_MS, unanswered } from '../../google/wait-limits.ts';

export type Batch = protos.google.cloud.dataproc.v1.IBatch;

/** PENDING, RUNNING, CANCELLING, CANCELLED, SUCCEEDED or FAILED. */
export const stateOf = (batch: Batch): string => String(batch.state);

/** The states that a batch never leaves. */
export const TERMINAL: readonly string[] = ['SUCCEEDED', 'FAILED', 'CANCELLED'];

/** Whether a batch is one of this stack's: another in the project may have a run of the same id. */
export function isOf(deployment: Deployment, { pysparkBatch, sparkBatch }: Batch): boolean {
  const given = pysparkBatch?.args ?? sparkBatch?.args ?? [];
  return stackArguments(deployment).every((own) => given.includes(own));
}

/** How Dataproc is asked, and for how long. */
export interface Asking {
  readonly client: BatchControllerClient;
  readonly signal: AbortSignal;
  /** Calls that fail in a way that may pass are repeated for so long. */
  readonly lookMs: number;
  /** Hears why a call failed that is repeated. */
  readonly missed: (message: string) => void;
  /** Takes work that goes on although an error is thrown: it is waited for a moment, and the client is closed after it. */
  afterwards(work: Promise<unknown>): void;
}

/** A batch that is being cancelled is looked at so often. */
const CANCELLING_LOOK_MS = 1_000;
const CANCELLING_MS = CANCELLING_MINUTES * 60_000;

/** Looks at a cancelled batch until it is as wanted or gone. */
export async function ending(
  asking: Asking,
  name: string,
  wanted: (batch: Batch) => boolean,
): Promise<Batch | null> {
  for (const since = performance.now(); ; ) {
    const found = await existing(asking, name);
    if (found === null || wanted(found)) return found;
    if (performance.now() - since > CANCELLING_MS)
      throw new ResealError('cancel-pending', `${name} was cancelled and has not ended`, {
        hint: 'look at it in the console; try again once it has ended',
      });
    await sleep(CANCELLING_LOOK_MS, undefined, { signal: asking.signal });
  }
}

/** The batch, once it is clear whether it goes on: an earlier interrupt may still be ending it. */
export const settled = (asking: Asking, name: string): Promise<Batch | null> =>
  ending(asking, name, (seen) => stateOf(seen) !== 'CANCELLING');

export async function existing(
  { client, signal, lookMs: ms, missed }: Asking,
  name: string,
): Promise<Batch | null> {
  const look = () => unlessAborted(within(ANSWER_MS, client.getBatch({ name }), unanswered), signal);
  try {
    const [batch] = await repeated(look, { ms, signal, missed });
    return batch;
  } catch (error) {
    if (googleFailure(error).status === 'NOT_FOUND') return null;
    throw error;
  }
}

/**
 * Cancels the batch of that name, where it is this stack's.
 * https://cloud.google.com/dataproc-serverless/docs/reference/rest/v1/projects.regions.operations/cancel
 */
export async function cancel(
  client: BatchControllerClient,
  deployment: Deployment,
  name: string,
): Promise<void> {
  const [batch] = await client.getBatch({ name });
  if (!isOf(deployment, batch)) return;
  const request = { name: batch.operation } as Parameters<typeof client.operationsClient.cancelOperation>[0];
  if (batch.operation) await client.operationsClient.cancelOperation(request);
}
