import type { KeyManagementServiceClient } from '@google-cloud/kms';
import type { Deployment } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import { Rejection } from '../contract/reasons.ts';
import { asWrappedKey, type DataKey, type WrappedKey } from '../envelope/brands.ts';
import { type DataKeys, dataKeys, type KeyService, type Unwrapped } from '../envelope/data-keys.ts';
import { PAGE_ROWS } from '../google/bigquery.ts';
import { within } from '../google/bounds.ts';
import { type Endpoints, kmsClient } from '../google/clients.ts';
import { type KeyServiceOptions, keyService, PATIENCE } from '../google/kms.ts';
import { pace } from '../google/pace.ts';
import type { StageInput } from './engine.ts';

/**
 * Data keys held at once, of pages of which so many are worked at in parallel: all of their keys may be different, and
 * one that is evicted while it is still awaited would fail the run. `Readable.map` takes up to twice as many pages, less
 * one, before the first of them is taken from it.
 * https://nodejs.org/docs/latest-v20.x/api/stream.html#readablemapfn-options
 */
export const keyCapacity = (pagesAtOnce: number): number => 2 * pagesAtOnce * PAGE_ROWS;

/** The connection is closed in good order within this time, or left to the end of the process. */
const CLOSE_MS = 1_000;

/** Every key that a stage opens with Cloud KMS. */
export interface RunKeys {
  /** The keyset that these were made with, serialised. The bytes are wiped by `close`. */
  keyset(): Promise<Uint8Array>;
  /** Another keyset that Cloud KMS wrapped, serialised; the same one is unwrapped once. `close` wipes it too. */
  open(keyset: StageInput['keyset']): Promise<Uint8Array>;
  /** A data key; each is unwrapped once. The bytes belong to the cache: copy or use them at once. */
  unwrap(wrapped: WrappedKey): Promise<Unwrapped>;
  /** Decrypt calls for data keys so far. */
  calls(): number;
  /** Wipes every key. Calls that wait or are under way end with the signal that the keys were made with. */
  close(): Promise<void>;
}

interface Opened {
  readonly keyset: Uint8Array;
  readonly service: KeyService;
  readonly keys: DataKeys;
  open(keyset: StageInput['keyset']): Promise<Uint8Array>;
  close(): Promise<void>;
}

/**
 * Begins at once, while BigQuery still collects the rows; whoever first needs a key learns of a failure. Keys are asked
 * for by pages, of which `pagesAtOnce` are worked at in parallel.
 */
export function runKeys(
  deployment: Deployment,
  input: Pick<StageInput, 'keyset'> & { readonly pagesAtOnce: number },
  signal: AbortSignal,
  endpoints?: Endpoints,
  patience?: KeyServiceOptions['patience'],
): RunKeys {
  const opening = open(deployment, input, signal, endpoints, patience);
  let opened: Opened | null = null;
  opening.then(
    (keys) => {
      opened = keys;
    },
    () => undefined,
  );
  return {
    keyset: async () => (await opening).keyset,
    open: async (keyset) => (await opening).open(keyset),
    unwrap: async (wrapped) => (await opening).keys.get(wrapped),
    calls: () => opened?.service.calls ?? 0,
    close: () =>
      opening.then(
        ({ close }) => close(),
        () => undefined,
      ),
  };
}

async function open(
  deployment: Deployment,
  input: Pick<StageInput, 'keyset'> & { readonly pagesAtOnce: number },
  signal: AbortSignal,
  endpoints?: Endpoints,
  patience: KeyServiceOptions['patience'] = PATIENCE,
): Promise<Opened> {
  const client = await kmsClient(endpoints);
  const { kmsCallsPerSecond: callsPerSecond } = deployment.batch;
  const limits = { pace: pace(callsPerSecond), signal, patience };
  try {
    const others = new Map<StageInput['keyset'], Promise<DataKey>>();
    const openOther = (other: StageInput['keyset']): Promise<DataKey> => {
      const opened = others.get(other) ?? openKeyset(keyService(client, limits), other);
      others.set(other, opened);
      return opened;
    };
    const keyset = await openOther(input.keyset);
    const service = keyService(client, limits);
    const keys = dataKeys(service, deployment.sourceKek, {
      capacity: keyCapacity(input.pagesAtOnce),
      callsPerSecond,
    });
    return {
      keyset,
      service,
      keys,
      open: openOther,
      async close() {
        keys.clear();
        for (const opened of await Promise.allSettled(others.values()))
          if (opened.status === 'fulfilled') opened.value.fill(0);
        await closed(client);
      },
    };
  } catch (error) {
    await closed(client);
    throw error;
  }
}

/** The first-level keyset. That its own key does not open it says nothing about any row, so it is no rejection. */
async function openKeyset(
  service: KeyService,
  { kmsKey: kek, wrapped }: StageInput['keyset'],
): Promise<DataKey> {
  try {
    return await service.unwrap(kek, asWrappedKey(wrapped));
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    if (error.reason === 'kek-destroyed')
      throw new ResealError(
        'keyset',
        `the version of ${kek} that wrapped the first-level keyset is destroyed`,
        {
          hint: 'nothing that was sealed under this keyset opens any more; the source columns are untouched (docs/runbook.md)',
          cause: error,
        },
      );
    throw new ResealError('keyset', `the first-level keyset was not wrapped by ${kek}`, {
      hint: 'the table keysets names a key for it that did not wrap it: restore the row by time travel (docs/runbook.md)',
      cause: error,
    });
  }
}

const closed = (client: KeyManagementServiceClient): Promise<void> =>
  within(CLOSE_MS, client.close(), () => new Error('late')).catch(() => {});
