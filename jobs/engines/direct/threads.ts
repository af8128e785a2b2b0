import { availableParallelism } from 'node:os';
import { compiled } from '../../../bin/compiled.js';
import { within } from '../../google/bounds.ts';
import { type PageSetup, type SourcePage, sealPage, wipeKeys } from './seal-page.ts';

/** Where pages are sealed: in this thread or in worker threads. */
export interface SealingThreads {
  /** Pages to hand over at once, so that no thread waits. */
  readonly width: number;
  /** The lines of a load job for a page, whose data keys are wiped. */
  seal(setup: PageSetup, page: SourcePage): Promise<Uint8Array>;
  /** Ends the threads, and with them what they are at. */
  close(): Promise<void>;
}

/** Below this many rows a thread costs more to start than it saves (some 0.3 s; a row some 20 µs). */
const WORTH_THREADS = 20_000;
const MOST_THREADS = 8;
/** Threads that have not ended by then end with the process. */
const CLOSE_MS = 1_000;

/** Seals in the thread that asks. */
export const inThisThread = (): SealingThreads => ({
  width: 1,
  seal: async (setup, page) => sealPage(setup, page),
  close: async () => {},
});

/** For so many rows; the threads start at once, while BigQuery still collects the rows. */
export function sealingThreads(rows: number): SealingThreads {
  if (rows < WORTH_THREADS) return inThisThread();
  const threads = Math.min(availableParallelism(), MOST_THREADS);
  const starting = start(threads);
  starting.catch(() => undefined);
  return {
    width: threads + 1,
    async seal(setup, page) {
      try {
        const { buffer, byteOffset, length }: Uint8Array = await (await starting).run({ setup, page });
        // Streams would copy any other Uint8Array into a Buffer.
        return Buffer.from(buffer, byteOffset, length);
      } finally {
        // The thread has had a copy, and has wiped that.
        wipeKeys(page);
      }
    },
    close: () =>
      within(
        CLOSE_MS,
        starting.then((pool) => pool.destroy()),
        () => new Error('late'),
      ).catch(() => {}),
  };
}

async function start(threads: number) {
  const { Piscina } = await import('piscina');
  return new Piscina({
    filename: (await compiled('jobs/engines/direct/worker.ts')).href,
    execArgv: [],
    minThreads: threads,
    maxThreads: threads,
    // A thread that waits without its event loop never stores what tsx made of its file, and makes it again each run.
    atomics: 'disabled',
    // The texts of a page are short-lived: room for one page keeps them out of the old generation.
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
}
