import { setMaxListeners } from 'node:events';
import { Readable } from 'node:stream';
import type { Deployment } from '../../contract/deployment.ts';
import { patternsOf } from '../../contract/fields.ts';
import { statements } from '../../contract/sql/index.ts';
import type { BigQueryService } from '../../google/bigquery.ts';
import type { Endpoints } from '../../google/clients.ts';
import type { Page } from '../../google/page.ts';
import { type WaitLimits, waitLimits } from '../../google/wait-limits.ts';
import type { Engine, StageInput, StageProgress } from '../engine.ts';
import { cancelLoads, load, nextLoad } from './load.ts';
import { type RunKeys, runKeys } from './run-keys.ts';
import { sourcePage } from './source-page.ts';
import { type SealingThreads, sealingThreads } from './threads.ts';

/**
 * The engine in this process: reads in pages, unwraps each data key once, seals in worker threads and streams
 * the result into one load job. Memory holds the pages under way, whatever the size of the table.
 */
export function directEngine(
  deployment: Deployment,
  bigquery: BigQueryService,
  endpoints?: Endpoints,
  limits: WaitLimits = waitLimits(deployment),
): Engine {
  return {
    name: 'direct',
    batchId: () => null,
    async stage(input, progress, signal) {
      const job = await nextLoad(bigquery.client, deployment, input, signal, limits);
      const outcome = { attempt: job.attempt, batchId: null, milliDcuSeconds: null };
      // What an earlier attempt staged, it also unwrapped: how often KMS was asked is not known any more.
      if (job.loaded) return { kmsCalls: null, ...outcome };
      // Whatever ends the stage also ends all that it has begun: calls that wait, streams, threads.
      const end = new AbortController();
      const all = AbortSignal.any([signal, end.signal]);
      // Thousands of calls may wait for it; more than ten listeners are no leak here.
      setMaxListeners(0, all);
      const keys = runKeys(deployment, input, all, endpoints, limits);
      const threads = sealingThreads(input.selected);
      try {
        const values = {
          mode: input.mode,
          snapshot_millis: input.snapshotMillis,
          id_from: input.idFrom,
          id_cutoff: input.idCutoff,
          keyset_version: input.keyset.version,
          wave: input.wave,
          waves: input.waves,
        };
        const pages = bigquery.pages(statements(deployment).values, values, all);
        const lines = sealedLines(pages, {
          deployment,
          input,
          attempt: job.attempt,
          keys,
          threads,
          progress,
        });
        await load(bigquery.client, deployment, job.id, lines, signal, limits);
        return { kmsCalls: keys.calls(), ...outcome };
      } catch (error) {
        end.abort(error);
        throw error;
      } finally {
        await Promise.all([threads.close(), keys.close()]);
      }
    },
    async discard(_runId, wave, signal) {
      return { cancelled: await cancelLoads(bigquery.client, deployment, wave, signal), files: 0 };
    },
  };
}

/** What a stage works with. */
interface Stage {
  readonly deployment: Deployment;
  readonly input: StageInput;
  readonly attempt: string;
  readonly keys: RunKeys;
  readonly threads: SealingThreads;
  readonly progress: (now: StageProgress) => void;
}

const TELL_MS = 500;

/** The lines of the load job, page by page: source page, its data keys, a thread that seals. */
async function* sealedLines(
  pages: AsyncIterable<Page>,
  { deployment, input, attempt, keys, threads, progress }: Stage,
): AsyncGenerator<Uint8Array> {
  const { sourceFormat, unauthenticated, keying, storePlaintext } = deployment;
  const valuePatterns = patternsOf(deployment.fields);
  const setup = {
    runId: input.runId,
    attempt,
    sourceFormat,
    unauthenticated,
    valuePatterns,
    keying,
    storePlaintext,
  };
  const sealed = Readable.from(pages).map(
    async (page: Page) => {
      const source = await sourcePage(page, sourceFormat, keys);
      const lines = await threads.seal({ ...setup, keyset: await keys.keyset() }, source);
      return { rows: page.length, lines };
    },
    { concurrency: threads.width },
  ) as AsyncIterable<{ rows: number; lines: Uint8Array }>;
  let rows = 0;
  const tell = (): void => progress({ rows, deks: keys.calls() });
  // The keys of a page can take long, before any of its rows is sealed.
  const telling = setInterval(tell, TELL_MS);
  try {
    for await (const { rows: more, lines } of sealed) {
      rows += more;
      tell();
      yield lines;
    }
    progress({ message: 'BigQuery loads what is sealed' });
  } finally {
    clearInterval(telling);
  }
}
