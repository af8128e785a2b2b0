import { Readable } from 'node:stream';
import { type Endpoints, kmsClient } from '../clients.ts';
import type { Deployment } from '../deployment.ts';
import { asWrappedKey } from '../envelope/brands.ts';
import { type DataKeys, dataKeys } from '../envelope/data-keys.ts';
import { type Reason, Refusal } from '../envelope/reasons.ts';
import { sourceFormat } from '../envelope/source.ts';
import { type KeyService, keyService } from '../kms.ts';
import { statements } from '../sql.ts';
import type { Page, WarehouseClient } from '../warehouse.ts';
import { loadOnce } from './direct/load.ts';
import { type SealPool, sealPool } from './direct/pool.ts';
import type { RowsPage } from './direct/rows.ts';
import type { Engine } from './engine.ts';

/**
 * Data keys held at once. Rows come ordered by data key, so a handful would do; what is needed is more than
 * the pages under way can name.
 */
const KEY_CAPACITY = 200_000;

/**
 * The engine in this process: reads in pages, unwraps each data key once, seals in worker threads and streams
 * the result into one load job. Memory holds the pages under way, whatever the size of the table.
 */
export function directEngine(
  deployment: Deployment,
  warehouse: WarehouseClient,
  endpoints?: Endpoints,
): Engine {
  return {
    name: 'direct',
    batchId: () => null,
    async stage(input, progress, signal) {
      const client = await kmsClient(endpoints);
      const service = keyService(client);
      const wrapped = asWrappedKey(input.keyset.wrapped);
      const keyset = await keyService(client).unwrap(deployment.bigqueryKek, wrapped);
      const { sourceFormat, keying, storePlaintext, batch, sourceKek } = deployment;
      const setup = {
        runId: input.runId,
        sourceFormat,
        keying,
        storePlaintext,
        keyset,
        wrappedKeyset: wrapped,
      };
      const pool = await sealPool(setup, input.selected);
      const keys = dataKeys(service, sourceKek, {
        capacity: KEY_CAPACITY,
        callsPerSecond: batch.kmsCallsPerSecond,
      });
      const selection = {
        mode: input.mode,
        snapshot_millis: input.snapshotMillis,
        id_cutoff: input.idCutoff,
      };
      const pages = (): AsyncIterable<Page> => warehouse.pages(statements(deployment).values, selection);
      try {
        const lines = () => sealedLines(pages(), deployment, keys, pool, service, progress);
        const loaded = await loadOnce(warehouse.client, deployment, input.runId, lines, signal);
        // What an earlier try staged, it also unwrapped: how often KMS was asked is not known any more.
        return { kmsCalls: loaded ? service.calls : null, batchId: null, milliDcuSeconds: null };
      } finally {
        keys.clear();
        keyset.fill(0);
        await pool.close();
        await client.close();
      }
    },
  };
}

async function* sealedLines(
  pages: AsyncIterable<Page>,
  deployment: Deployment,
  keys: DataKeys,
  pool: SealPool,
  service: KeyService,
  progress: (now: { rows: number; deks: number }) => void,
): AsyncGenerator<Uint8Array> {
  let rows = 0;
  const sealed = Readable.from(pages).map(
    async (page: Page) => ({
      rows: page.length,
      lines: await pool.seal(await withKeys(page, deployment, keys)),
    }),
    { concurrency: pool.width },
  );
  for await (const { rows: more, lines } of sealed as AsyncIterable<{ rows: number; lines: Uint8Array }>) {
    rows += more;
    progress({ rows, deks: service.calls });
    yield lines;
  }
}

/** Turns a page of `id, field, cipher_text, dek, token` into columns, with its data keys unwrapped. */
async function withKeys(page: Page, deployment: Deployment, keys: DataKeys): Promise<RowsPage> {
  const column = (at: number): string[] => page.map((row) => row[at] ?? '');
  const [ids, fields, cipherTexts, deks, tokens] = [0, 1, 2, 3, 4].map(column) as [
    string[],
    string[],
    string[],
    string[],
    string[],
  ];
  const { wrappedKey } = sourceFormat(deployment.sourceFormat);
  // Only a format that keeps the data key inside the cipher text tells rows of one dek apart.
  const inCipherText = deployment.sourceFormat === 'tink-envelope';
  const known = new Map<string, number>();
  const wanted: Promise<Uint8Array | Reason>[] = [];
  const keyOf = deks.map((dek, row) => {
    const name = inCipherText ? (cipherTexts[row] as string) : dek;
    const seen = known.get(name);
    if (seen !== undefined) return seen;
    known.set(name, wanted.length);
    return wanted.push(unwrap(keys, () => wrappedKey(dek, cipherTexts[row] as string))) - 1;
  });
  return { ids, fields, cipherTexts, deks, tokens, keyOf, keys: await Promise.all(wanted) };
}

/** The row's data key as a copy of the cache's, or why it has none. */
async function unwrap(
  keys: DataKeys,
  wrapped: () => ReturnType<typeof asWrappedKey>,
): Promise<Uint8Array | Reason> {
  try {
    const key = await keys.get(wrapped());
    return typeof key === 'string' ? key : Uint8Array.from(key);
  } catch (error) {
    if (error instanceof Refusal) return error.reason;
    throw error;
  }
}
