import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deployment } from '../../contract/deployment.ts';
import { keysJobId, sealJobId, waveId } from '../../contract/ids.ts';
import { kmsUri, selectionOf, statements } from '../../contract/sql/index.ts';
import { aead } from '../../envelope/aead.ts';
import { parseKeyset } from '../../envelope/keysets.ts';
import type { BigQueryService } from '../../google/bigquery.ts';
import type { Endpoints } from '../../google/clients.ts';
import { bigQueryFailure, isTransient } from '../../google/failures.ts';
import { type WaitLimits, waitLimits } from '../../google/wait-limits.ts';
import { sealedLines } from '../direct/sealed-lines.ts';
import { sealingThreads } from '../direct/threads.ts';
import type { Engine, StageInput, StageProgress } from '../engine.ts';
import { awaitJob, cancelJobs, JobFailed, type JobStep, nextAttempt } from '../job-attempts.ts';
import { load, loadStep, nextLoad } from '../load.ts';
import { type RunKeys, runKeys } from '../run-keys.ts';
import { leftPage } from './left-page.ts';
import { type KeyCounts, sealedKeys } from './sealed-keys.ts';

const sealStep = (wave: string): JobStep => ({ name: 'seal', idOf: (n) => sealJobId(wave, n) });
const keysStep = (wave: string): JobStep => ({ name: 'keys', idOf: (n) => keysJobId(wave, n) });

/** A job that a passing fault ended is issued again, at most so often, after so long and twice that each time. */
const RETRIES = 5;
const WAIT_MS = 500;

/** A try of a stage: its keys in BigQuery, and what opens them here. */
interface Try {
  readonly input: StageInput;
  readonly keySet: string;
  readonly keys: RunKeys;
  readonly progress: (now: StageProgress) => void;
  readonly signal: AbortSignal;
}

/**
 * The engine inside BigQuery: this process opens the data keys of the selected values with Cloud KMS and hands them over,
 * sealed; one statement opens the values, seals them and stages them. No value leaves BigQuery but those under keys that
 * it cannot use, which this process seals as the direct engine does, as part of the same attempt.
 */
export function bigqueryEngine(
  deployment: Deployment,
  bigquery: BigQueryService,
  endpoints?: Endpoints,
  limits: WaitLimits = waitLimits(deployment),
): Engine {
  const sql = statements(deployment);
  const { client } = bigquery;

  /** The keyset of a try, wrapped by Cloud KMS: made inside BigQuery. */
  async function tryKeyset(runId: string, keySet: string): Promise<StageInput['keyset']> {
    const made = { run_id: runId, key_set: keySet };
    await bigquery.query(sql.makeTryKeyset, made);
    const [row] = await bigquery.query(sql.readTryKeyset, made);
    const wrapped = Buffer.from(row?.wrapped_keyset ?? '', 'base64');
    return { version: 0, wrapped, kmsKey: deployment.bigqueryKek };
  }

  /** Brings BigQuery the data keys of the selected values. */
  async function bringKeys({ input, keySet, keys, progress, signal }: Try): Promise<KeyCounts> {
    const counts: KeyCounts = { keys: 0, inJob: 0 };
    const sealing = {
      runId: input.runId,
      keySet,
      format: deployment.sourceFormat,
      unwrap: keys.unwrap,
      aead: aead(parseKeyset(await keys.keyset())),
    };
    const pages = bigquery.pages(sql.dataKeyNames, selectionOf(input, input), signal);
    const lines = async function* (): AsyncGenerator<Buffer> {
      for await (const page of sealedKeys(pages, sealing, counts)) {
        progress({ deks: keys.calls() });
        yield page;
      }
    };
    await load(client, deployment, keySet, lines(), signal, limits, 'dataKeys');
    return counts;
  }

  /** Seals the values that BigQuery cannot open, as rows of an attempt. */
  async function sealLeft({ input, keySet, keys, progress, signal }: Try, attempt: string): Promise<void> {
    const job = await nextLoad(client, deployment, { ...input, attempt, anew: false }, signal, limits);
    if (job.loaded) return;
    const own = aead(parseKeyset(await keys.keyset()));
    const threads = sealingThreads(input.selected);
    try {
      const values = { ...selectionOf(input, input), run_id: input.runId, key_set: keySet };
      const lines = sealedLines(bigquery.pages(sql.valuesLeft, values, signal), {
        deployment,
        runId: input.runId,
        attempt,
        source: async (page) => leftPage(page, input.runId, own),
        keyset: () => keys.open(input.keyset),
        threads,
        progress: (rows) => progress({ message: `${rows} values under keys that BigQuery cannot use` }),
      });
      await load(client, deployment, job.id, lines, signal, limits);
    } finally {
      await threads.close();
    }
  }

  /** Has BigQuery seal the rest; returns the attempt that the rows carry. */
  async function seal(one: Try, wave: string, first: number, inJob: boolean): Promise<string> {
    const { input, keySet, progress, signal } = one;
    for (let attempt = first; ; attempt++) {
      const id = sealJobId(wave, attempt);
      if (inJob) await sealLeft(one, id);
      progress({ message: `BigQuery seals ${input.selected} values` });
      const values = {
        ...selectionOf(input, input),
        run_id: input.runId,
        key_set: keySet,
        attempt: id,
        kms: kmsUri(input.keyset.kmsKey),
        keyset: input.keyset.wrapped.toString('base64'),
      };
      try {
        await awaitJob(
          await bigquery.start(sql.sealValues, values, id),
          deployment,
          'seal',
          signal,
          limits.jobMs,
        );
        return id;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        const failure = error instanceof JobFailed ? error.cause : error;
        // A job that was given up and comes through all the same leaves rows of an attempt that nobody merges.
        if (!isTransient(failure) || attempt - first >= RETRIES) throw bigQueryFailure('seal', failure);
        await sleep(WAIT_MS * 2 ** (attempt - first), undefined, { signal });
      }
    }
  }

  return {
    name: 'bigquery',
    batchId: () => null,
    async stage(input, progress, signal) {
      const wave = waveId(input.runId, input.wave);
      const next = await nextAttempt(client, deployment, sealStep(wave), input.anew, signal, limits);
      const outcome = { batchId: null, milliDcuSeconds: null };
      // What an earlier attempt staged, it also unwrapped: how often KMS was asked is not known any more.
      if (next.done) return { kmsCalls: null, attempt: next.id, ...outcome };
      // The keys of an earlier try went with it: once none of its load jobs is at work, none of them can come back.
      const { id: keySet } = await nextAttempt(client, deployment, keysStep(wave), true, signal, limits);
      await bigquery.query(sql.clearDataKeys, { run_id: input.runId, key_set: '' });
      // Whatever ends the stage also ends all that it has begun: calls that wait, streams, threads.
      const end = new AbortController();
      const all = AbortSignal.any([signal, end.signal]);
      // Thousands of calls may wait for it; more than ten listeners are no leak here.
      setMaxListeners(0, all);
      let keys: RunKeys | null = null;
      try {
        const keyset = await tryKeyset(input.runId, keySet);
        keys = runKeys(deployment, { keyset }, all, endpoints, limits);
        const one = { input, keySet, keys, progress, signal: all };
        const { inJob } = await bringKeys(one);
        const attempt = await seal(one, wave, next.attempt, inJob > 0);
        return { kmsCalls: keys.calls(), attempt, ...outcome };
      } catch (error) {
        end.abort(error);
        throw error;
      } finally {
        await keys?.close();
        // They have done their work. Should this not come through, the merge takes them away, or a day does.
        await bigquery.query(sql.clearDataKeys, { run_id: input.runId, key_set: keySet }).catch(() => {});
      }
    },
    async discard(runId, wave, signal) {
      const cancelled = [
        ...(await cancelJobs(client, deployment, sealStep(wave), signal)),
        ...(await cancelJobs(client, deployment, keysStep(wave), signal)),
      ];
      const { attempt: unused } = await nextAttempt(client, deployment, sealStep(wave), true, signal, limits);
      for (let attempt = 1; attempt <= unused; attempt++)
        cancelled.push(...(await cancelJobs(client, deployment, loadStep(sealJobId(wave, attempt)), signal)));
      await bigquery.query(sql.clearDataKeys, { run_id: runId, key_set: '' });
      return { cancelled, files: 0 };
    },
  };
}
