import { setMaxListeners } from 'node:events';
import type { Deployment } from '../../contract/deployment.ts';
import { selectionOf, statements } from '../../contract/sql/index.ts';
import type { BigQueryService } from '../../google/bigquery.ts';
import type { Endpoints } from '../../google/clients.ts';
import { type WaitLimits, waitLimits } from '../../google/wait-limits.ts';
import type { Engine } from '../engine.ts';
import { cancelJobs } from '../job-attempts.ts';
import { load, loadStep, nextLoad } from '../load.ts';
import { runKeys } from '../run-keys.ts';
import { sealedLines } from './sealed-lines.ts';
import { sourcePage } from './source-page.ts';
import { sealingThreads } from './threads.ts';

const TELL_MS = 500;

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
      const threads = sealingThreads(input.selected);
      const asked = { keyset: input.keyset, pagesAtOnce: threads.width };
      const keys = runKeys(deployment, asked, all, endpoints, limits);
      let sealed = 0;
      const tell = (): void =>
        progress(
          sealed === input.selected
            ? { message: 'BigQuery loads what is sealed' }
            : { rows: sealed, deks: keys.calls() },
        );
      // The keys of a page can take long, before any of its rows is sealed.
      const telling = setInterval(tell, TELL_MS);
      try {
        const pages = bigquery.pages(statements(deployment).values, selectionOf(input, input), all);
        const lines = sealedLines(pages, {
          deployment,
          runId: input.runId,
          attempt: job.attempt,
          source: (page) => sourcePage(page, deployment.sourceFormat, keys),
          keyset: keys.keyset,
          threads,
          progress: (rows) => {
            sealed = rows;
            tell();
          },
        });
        await load(bigquery.client, deployment, job.id, lines, signal, limits);
        return { kmsCalls: keys.calls(), ...outcome };
      } catch (error) {
        end.abort(error);
        throw error;
      } finally {
        clearInterval(telling);
        await Promise.all([threads.close(), keys.close()]);
      }
    },
    async discard(_runId, wave, signal) {
      const step = loadStep(deployment, wave);
      return { cancelled: await cancelJobs(bigquery.client, deployment, step, signal), files: 0 };
    },
  };
}
