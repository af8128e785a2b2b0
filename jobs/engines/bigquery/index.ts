import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deployment } from '../../contract/deployment.ts';
import { ResealError } from '../../contract/errors.ts';
import { keysJobId, leftOf, MAX_ATTEMPTS, sealJobId, waveId } from '../../contract/ids.ts';
import { DATA_KEYS_GONE, kmsUri, selectionOf, statements } from '../../contract/sql/index.ts';
import { aead } from '../../envelope/aead.ts';
import { parseKeyset } from '../../envelope/keysets.ts';
import type { BigQueryService } from '../../google/bigquery.ts';
import { isTakenOver, unlessAborted, within } from '../../google/bounds.ts';
import type { Endpoints } from '../../google/clients.ts';
import { bigQueryFailure, googleFailure, isTransient } from '../../google/failures.ts';
import { ANSWER_MS, unanswered, type WaitLimits, waitLimits } from '../../google/wait-limits.ts';
import { sealedLines } from '../direct/sealed-lines.ts';
import { type SealingThreads, sealingThreads } from '../direct/threads.ts';
import type { Engine, StageInput, StageProgress } from '../engine.ts';
import {
  awaitJob,
  cancelJobs,
  type JobAttempt,
  JobFailed,
  type JobStep,
  nextAttempt,
} from '../job-attempts.ts';
import { load, loadStep, nextLoad } from '../load.ts';
import { type RunKeys, runKeys } from '../run-keys.ts';
import { leftPage } from './left-page.ts';
import { type KeyCounts, PAGES_AT_ONCE, sealedKeys } from './sealed-keys.ts';

export const sealStep = (d: Deployment, wave: string): JobStep => ({
  name: 'seal',
  idOf: (n) => sealJobId(d, wave, n),
});
export const keysStep = (d: Deployment, wave: string): JobStep => ({
  name: 'keys',
  idOf: (n) => keysJobId(d, wave, n),
});

/** A job that a passing fault ended is issued again, at most so often, after so long and twice that each time. */
const RETRIES = 5;
const WAIT_MS = 500;

/** A try of a stage: its keys in BigQuery, and what opens them here. */
interface Try {
  readonly input: StageInput;
  /** What its keys carry, and no other try's, not even that of another process that drives the same run. */
  readonly keySet: string;
  /** The load job that brings the keys. */
  readonly keysJob: string;
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
  threadsFor: (rows: number) => SealingThreads = sealingThreads,
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
  async function bringKeys({ input, keySet, keysJob, keys, progress, signal }: Try): Promise<KeyCounts> {
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
    await load(client, deployment, keysJob, lines(), signal, limits, 'dataKeys');
    return counts;
  }

  /** Seals the values that BigQuery cannot open, if there are any, as rows of an attempt. */
  async function sealLeft(
    { input, keySet, keys, progress, signal }: Try,
    attempt: string,
    { inJob }: KeyCounts,
  ): Promise<void> {
    const again = { runId: input.runId, wave: input.wave, attempt, anew: true };
    const job = await nextLoad(client, deployment, again, signal, limits);
    // Which values these are, each try finds out for itself: rows that an earlier one left may be too many, or too few.
    if (job.id !== loadStep(deployment, leftOf(attempt)).idOf(1))
      await bigquery.query(sql.clearAttempt, { run_id: input.runId, attempt });
    if (inJob === 0) return;
    const own = aead(parseKeyset(await keys.keyset()));
    const threads = threadsFor(input.selected);
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
  async function seal(one: Try, wave: string, first: JobAttempt, counts: KeyCounts): Promise<string> {
    const { input, progress, signal } = one;
    const again = { from: first.attempt, spent: input.spent, begin: input.begin };
    for (let failures = 0; ; failures++) {
      try {
        // A job whose start or end was only not heard of is waited for, and taken.
        const { id, done } =
          failures === 0
            ? first
            : await nextAttempt(client, deployment, sealStep(deployment, wave), again, signal, limits);
        if (done) return id;
        await sealLeft(one, id, counts);
        progress({ message: `BigQuery seals ${input.selected} values` });
        await sealInBigQuery(one, id, counts);
        return id;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        const failure = error instanceof JobFailed ? error.cause : error;
        if (!passes(failure) || failures >= RETRIES) throw sealFailure(failure);
        await sleep(WAIT_MS * 2 ** failures, undefined, { signal });
      }
    }
  }

  /** The job that seals, from its start to its end. */
  async function sealInBigQuery(one: Try, id: string, { keys }: KeyCounts): Promise<void> {
    const { input, keySet, signal } = one;
    const values = {
      ...selectionOf(input, input),
      run_id: input.runId,
      key_set: keySet,
      keys,
      attempt: id,
      kms: kmsUri(input.keyset.kmsKey),
      keyset: input.keyset.wrapped.toString('base64'),
    };
    const starting = within(ANSWER_MS, bigquery.start(sql.sealValues, values, id), unanswered);
    await unlessAborted(starting, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      // A job that is there already is cancelled below; one that is still to come, as soon as it has come.
      if (!isTakenOver(signal)) starting.then((job) => job.cancel()).catch(() => {});
    });
    const job = client.job(id, { location: deployment.location });
    await awaitJob(job, deployment, 'seal', signal, limits.jobMs);
  }

  return {
    name: 'bigquery',
    async stage(input, progress, signal) {
      const wave = waveId(input.runId, input.wave);
      const next = await nextAttempt(client, deployment, sealStep(deployment, wave), input, signal, limits);
      const outcome = { batchId: null, milliDcuSeconds: null };
      // What an earlier attempt staged, it also unwrapped: how often KMS was asked is not known any more.
      if (next.done) return { kmsCalls: null, attempt: next.id, ...outcome };
      // The keys of an earlier try went with it: once none of its load jobs is at work, none of them can come back.
      const { id: keysJob } = await nextAttempt(
        client,
        deployment,
        keysStep(deployment, wave),
        { anew: true },
        signal,
        limits,
      );
      const keySet = `${keysJob}_${randomBytes(4).toString('hex')}`;
      await bigquery.query(sql.clearDataKeys, { run_id: input.runId, key_set: '' });
      // Whatever ends the stage also ends all that it has begun: calls that wait, streams, threads.
      const end = new AbortController();
      const all = AbortSignal.any([signal, end.signal]);
      // Thousands of calls may wait for it; more than ten listeners are no leak here.
      setMaxListeners(0, all);
      let keys: RunKeys | null = null;
      try {
        const keyset = await tryKeyset(input.runId, keySet);
        keys = runKeys(deployment, { keyset, pagesAtOnce: PAGES_AT_ONCE }, all, endpoints, limits);
        const one = { input, keySet, keysJob, keys, progress, signal: all };
        const attempt = await seal(one, wave, next, await bringKeys(one));
        return { kmsCalls: keys.calls(), attempt, ...outcome };
      } catch (error) {
        end.abort(error);
        throw error;
      } finally {
        // They have done their work. Should this not come through, the merge takes them away, or a day does. Who took the run
        // over may be waiting for the statement that works with them.
        const clearing = isTakenOver(signal)
          ? undefined
          : bigquery.query(sql.clearDataKeys, { run_id: input.runId, key_set: keySet }).catch(() => {});
        await Promise.all([keys?.close(), clearing]);
      }
    },
    async discard(runId, wave, signal) {
      const cancelled = [
        ...(await cancelJobs(client, deployment, sealStep(deployment, wave), signal)),
        ...(await cancelJobs(client, deployment, keysStep(deployment, wave), signal)),
      ];
      const left = Array.from({ length: MAX_ATTEMPTS }, (_, at) =>
        cancelJobs(
          client,
          deployment,
          loadStep(deployment, leftOf(sealJobId(deployment, wave, at + 1))),
          signal,
        ),
      );
      cancelled.push(...(await Promise.all(left)).flat());
      await bigquery.query(sql.clearDataKeys, { run_id: runId, key_set: '' });
      return { cancelled, files: 0 };
    },
  };
}

/** Whether a failure passes; where the client has asked again by itself, it is named already. */
const passes = (error: unknown): boolean =>
  error instanceof ResealError ? error.code === 'bigquery-busy' : isTransient(error);

function sealFailure(error: unknown): ResealError {
  if (!googleFailure(error).message.includes(DATA_KEYS_GONE)) return bigQueryFailure('seal', error);
  return new ResealError('data-keys-gone', `BigQuery, step seal: ${DATA_KEYS_GONE}`, {
    hint: 'another process may be driving the run, or they were there for more than a day; `--resume RUN` brings them anew',
    cause: error,
  });
}
