import type { Deployment } from '../../contract/deployment.ts';
import { asWrappedKey, type WrappedKey } from '../../envelope/brands.ts';
import { type DataKeys, dataKeys, type KeyService, type Unwrapped } from '../../envelope/data-keys.ts';
import { type Endpoints, kmsClient } from '../../google/clients.ts';
import { keyService } from '../../google/kms.ts';
import type { StageInput } from '../engine.ts';

/**
 * Data keys held at once. Rows come ordered by data key, so a handful would do; what is needed is more than
 * the pages under way can name.
 */
const KEY_CAPACITY = 50_000;

/** Every key that a stage opens with Cloud KMS. */
export interface RunKeys {
  /** The first-level keyset, serialised. The bytes are wiped by `close`. */
  keyset(): Promise<Uint8Array>;
  /** A data key; each is unwrapped once. The bytes belong to the cache: copy or use them at once. */
  unwrap(wrapped: WrappedKey): Promise<Unwrapped>;
  /** Decrypt calls for data keys so far. */
  calls(): number;
  /** Wipes every key. */
  close(): Promise<void>;
}

interface Opened {
  readonly keyset: Uint8Array;
  readonly service: KeyService;
  readonly keys: DataKeys;
  close(): Promise<void>;
}

/** Begins at once, while BigQuery still collects the rows; whoever first needs a key learns of a failure. */
export function runKeys(deployment: Deployment, input: StageInput, endpoints?: Endpoints): RunKeys {
  const opening = open(deployment, input, endpoints);
  let opened: Opened | null = null;
  opening.then(
    (keys) => {
      opened = keys;
    },
    () => undefined,
  );
  return {
    keyset: async () => (await opening).keyset,
    unwrap: async (wrapped) => (await opening).keys.get(wrapped),
    calls: () => opened?.service.calls ?? 0,
    close: () =>
      opening.then(
        ({ close }) => close(),
        () => undefined,
      ),
  };
}

async function open(deployment: Deployment, input: StageInput, endpoints?: Endpoints): Promise<Opened> {
  const client = await kmsClient(endpoints);
  try {
    const wrapped = asWrappedKey(input.keyset.wrapped);
    const keyset = await keyService(client).unwrap(deployment.bigqueryKek, wrapped);
    const service = keyService(client);
    const limits = { capacity: KEY_CAPACITY, callsPerSecond: deployment.batch.kmsCallsPerSecond };
    const keys = dataKeys(service, deployment.sourceKek, limits);
    return {
      keyset,
      service,
      keys,
      async close() {
        keys.clear();
        keyset.fill(0);
        await client.close();
      },
    };
  } catch (error) {
    await client.close();
    throw error;
  }
}
