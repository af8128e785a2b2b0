import { availableParallelism } from 'node:os';
import { type RowsPage, type RowsSetup, rowsSealer } from './rows.ts';

/** Where pages are sealed: in this thread or in worker threads. */
export interface SealPool {
  seal(page: RowsPage): Promise<Uint8Array>;
  /** Pages to hand over at once, so that no thread waits. */
  readonly width: number;
  close(): Promise<void>;
}

/** Below this many rows a thread costs more to start than it saves (some 0.3 s; a row some 20 µs). */
const WORTH_THREADS = 20_000;

export async function sealPool(setup: RowsSetup, rows: number): Promise<SealPool> {
  if (rows < WORTH_THREADS) {
    const seal = rowsSealer(setup);
    return { seal: async (page) => seal(page), width: 1, close: async () => {} };
  }
  const { Piscina } = await import('piscina');
  // One core is for reading, writing and waiting.
  const threads = Math.min(Math.max(availableParallelism() - 1, 1), 8);
  const pool = new Piscina({
    filename: new URL('./worker.ts', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    workerData: setup,
    // A page's texts die with it: room for a few pages keeps them out of the old generation.
    resourceLimits: { maxYoungGenerationSizeMb: 128 },
  });
  return { seal: (page) => pool.run(page), width: threads + 1, close: () => pool.destroy() };
}
