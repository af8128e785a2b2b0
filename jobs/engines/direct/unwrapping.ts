import type { Deployment } from '../../contract/deployment.ts';
import { asWrappedKey, type WrappedKey } from '../../envelope/brands.ts';
import { dataKeys, type Unwrapped } from '../../envelope/data-keys.ts';
import { type Endpoints, kmsClient } from '../../google/clients.ts';
import { keyService } from '../../google/kms.ts';
import type { StageInput } from '../engine.ts';
import type { RowsPage } from './seal-page.ts';
import { sealPool, sealThreads } from './threads.ts';

/**
 * Data keys held at once. Rows come ordered by data key, so a handful would do; what is needed is more than
 * the pages under way can name.
 */
const KEY_CAPACITY = 50_000;

/** What a stage seals with: Cloud KMS, the first-level keyset and the threads. */
export interface Sealing {
  /** Pages to hand over at once, so that no thread waits. */
  readonly width: number;
  /** A data key; each is unwrapped once. The bytes belong to the cache: copy or use them at once. */
  unwrap(wrapped: WrappedKey): Promise<Unwrapped>;
  /** The lines of a load job for a page, whose keys are wiped. */
  seal(page: RowsPage): Promise<Uint8Array>;
  /** Decrypt calls for data keys so far. */
  kmsCalls(): Promise<number>;
  close(): Promise<void>;
}

/** Begins at once, while BigQuery still collects the rows; whoever first needs it learns of a failure. */
export function sealing(deployment: Deployment, input: StageInput, endpoints?: Endpoints): Sealing {
  const opened = open(deployment, input, endpoints);
  opened.catch(() => undefined);
  return {
    width: sealThreads(input.selected) + 1,
    unwrap: async (wrapped) => (await opened).keys.get(wrapped),
    seal: async (page) => (await opened).seal(page),
    kmsCalls: async () => (await opened).service.calls,
    close: () =>
      opened.then(
        ({ close }) => close(),
        () => undefined,
      ),
  };
}

async function open(deployment: Deployment, input: StageInput, endpoints?: Endpoints) {
  const wrapped = asWrappedKey(input.keyset.wrapped);
  const [client, pool] = await Promise.all([kmsClient(endpoints), sealPool(sealThreads(input.selected))]);
  const close = async () => {
    await pool.close();
    await client.close();
  };
  try {
    const keyset = await keyService(client).unwrap(deployment.bigqueryKek, wrapped);
    const service = keyService(client);
    const { sourceFormat, keying, storePlaintext, batch, sourceKek } = deployment;
    const limits = { capacity: KEY_CAPACITY, callsPerSecond: batch.kmsCallsPerSecond };
    const keys = dataKeys(service, sourceKek, limits);
    const { runId } = input;
    const setup = { runId, sourceFormat, keying, storePlaintext, keyset };
    return {
      service,
      keys,
      seal: (page: RowsPage) => pool.seal(setup, page),
      async close() {
        keys.clear();
        keyset.fill(0);
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
