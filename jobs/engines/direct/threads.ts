import { availableParallelism } from 'node:os';
import { type RowsPage, type RowsSetup, sealRows } from './seal-page.ts';

/** Where pages are sealed: in this thread or in worker threads. */
export interface SealPool {
  seal(setup: RowsSetup, page: RowsPage): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Below this many rows a thread costs more to start than it saves (some 0.3 s; a row some 20 µs). */
const WORTH_THREADS = 20_000;

/** Worker threads for so many rows; 0 where this thread seals them itself. */
export const sealThreads = (rows: number): number =>
  rows < WORTH_THREADS ? 0 : Math.min(availableParallelism(), 8);

export async function sealPool(threads: number): Promise<SealPool> {
  if (threads === 0) return { seal: async (setup, page) => sealRows(setup, page), close: async () => {} };
  const { Piscina } = await import('piscina');
  const pool = new Piscina({
    filename: new URL('./worker.ts', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    // A thread that waits without its event loop never stores what tsx made of this file, and makes it again each run.
    atomics: 'disabled',
    // A page's texts die with it: room for one keeps them out of the old generation.
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  return {
    async seal(setup, page) {
      const { buffer, byteOffset, length }: Uint8Array = await pool.run({ setup, page });
      // Streams would copy any other Uint8Array into a Buffer.
      return Buffer.from(buffer, byteOffset, length);
    },
    close: () => pool.destroy(),
  };
}
