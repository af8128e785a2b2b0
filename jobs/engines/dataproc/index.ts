import type { Deployment } from '../../contract/deployment.ts';
import { within } from '../../google/bounds.ts';
import { batchClient, type Endpoints, storageClient } from '../../google/clients.ts';
import { type WaitLimits, waitLimits } from '../../google/wait-limits.ts';
import type { Engine } from '../engine.ts';
import { batchFailure } from './batch-failure.ts';
import type { Asking } from './batch-looks.ts';
import { cancelBatches, findOrCreate } from './batches.ts';
import { driverOutput } from './driver-output.ts';
import { staged } from './follow-batch.ts';
import { removeFiles } from './temp-files.ts';

/** The engine at scale: one batch of Serverless Dataproc, followed until it ends. */
export function dataprocEngine(
  deployment: Deployment,
  endpoints?: Endpoints,
  limits: WaitLimits = waitLimits(deployment),
): Engine {
  return {
    name: 'dataproc',
    stage: (input, progress, signal) =>
      withBatches(signal, async (asked) => {
        const asking = { ...asked, missed: askedAgain((message) => progress({ message })) };
        const name = await findOrCreate(asking, deployment, input);
        const output = driverOutput(await storageClient(deployment, endpoints));
        return staged({ asking, deployment, limits }, name, output, progress);
      }),
    discard: (runId, wave, signal, say = () => {}) =>
      withBatches(signal, async (asked) => {
        const asking = { ...asked, missed: askedAgain(say) };
        const cancelled = await cancelBatches(asking, deployment, wave);
        return {
          cancelled,
          files: await removeFiles(await storageClient(deployment, endpoints), deployment, runId),
        };
      }),
  };

  async function withBatches<T>(
    signal: AbortSignal,
    work: (asking: Omit<Asking, 'missed'>) => Promise<T>,
  ): Promise<T> {
    const client = await batchClient(deployment, endpoints);
    const close = () => within(CLOSE_MS, client.close(), () => new Error('late')).catch(() => {});
    const left: Promise<unknown>[] = [];
    const afterwards = (work: Promise<unknown>): void => {
      left.push(work.catch(() => {}));
    };
    try {
      return await work({ client, signal, lookMs: limits.lookMs, afterwards });
    } catch (error) {
      throw batchFailure(error, signal);
    } finally {
      const closed = Promise.all(left).then(close);
      await within(LEFT_MS, closed, () => new Error('late')).catch(() => {});
    }
  }
}

const askedAgain = (say: (message: string) => void) => (message: string) =>
  say(`Dataproc is asked again: ${message}`);

/** The connection is closed in good order within this time, or left to the end of the process. */
const CLOSE_MS = 1_000;
/**
 * An interrupted process ends soon after its engine has: what is left to do is waited for so long, so that the ledger can
 * still be told before the end is forced.
 */
const LEFT_MS = 2_000;
