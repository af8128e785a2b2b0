import { CORES, FIRST_EXECUTORS } from '../contract/batch.ts';
import { DCU_USD_PER_HOUR, KMS_USD_PER_CALL, QUERY_USD_PER_TIB } from '../contract/prices.ts';
import type { EngineName } from '../contract/settings/choices.ts';
import type { Scanned } from './scanned.ts';

/** A batch takes 40 to 60 s to start. https://cloud.google.com/dataproc-serverless/docs/overview */
const BATCH_START_SECONDS = 60;
/** Rows a second: what a core of a batch manages with BigQuery at both ends, and this process (bench/). */
const ROWS_PER_CORE = 20_000;
const ROWS_DIRECT = 25_000;
/**
 * What BigQuery's own functions manage has been measured nowhere (docs/limits.md): a guess, at some 10 µs a row and 50
 * slots at work. Beside it a run has some jobs more, which wait for their turn.
 */
const ROWS_BIGQUERY = 5_000_000;
const BIGQUERY_START_SECONDS = 20;
const TIB = 2 ** 40;

export interface Estimate {
  readonly kmsCalls: number;
  readonly minutes: number;
  readonly bigQueryBytes: number;
  /** US$: what KMS, Dataproc and BigQuery, on demand, bill together. */
  readonly costUsd: number;
  readonly bigQueryUsd: number;
  readonly kmsUsd: number;
  readonly dataprocUsd: number;
}

interface Work {
  readonly engine: EngineName;
  readonly selected: number;
  readonly distinctDeks: number;
  readonly waves: number;
  readonly kmsCallsPerSecond: number;
  readonly maxExecutors: number;
}

/** What a run is likely to take; a rough figure that is meant to prevent surprises. */
export function estimate(work: Work, { bytes, billed }: Scanned): Estimate {
  const { seconds, milliDcuSeconds } = staging(work);
  const kmsCalls = work.selected === 0 ? 0 : work.distinctDeks;
  const bigQueryUsd = (billed / TIB) * QUERY_USD_PER_TIB;
  const dataprocUsd = (milliDcuSeconds / 1000 / 3600) * DCU_USD_PER_HOUR;
  const kmsUsd = kmsCalls * KMS_USD_PER_CALL;
  return {
    kmsCalls,
    minutes: seconds / 60,
    bigQueryBytes: bytes,
    bigQueryUsd,
    kmsUsd,
    dataprocUsd,
    costUsd: kmsUsd + dataprocUsd + bigQueryUsd,
  };
}

/** The time that staging takes, and what a batch uses of DCUs. */
function staging(work: Work): { seconds: number; milliDcuSeconds: number } {
  const { selected } = work;
  if (selected === 0) return { seconds: 0, milliDcuSeconds: 0 };
  const unwrapping = work.distinctDeks / work.kmsCallsPerSecond;
  if (work.engine === 'direct')
    return { seconds: Math.max(unwrapping, selected / ROWS_DIRECT), milliDcuSeconds: 0 };
  if (work.engine === 'bigquery')
    return {
      seconds: work.waves * BIGQUERY_START_SECONDS + unwrapping + selected / ROWS_BIGQUERY,
      milliDcuSeconds: 0,
    };
  // A batch grows with the work; a core is a DCU.
  const executors = Math.min(work.maxExecutors, Math.max(FIRST_EXECUTORS, Math.ceil(selected / 5_000_000)));
  const seconds =
    work.waves * BATCH_START_SECONDS + unwrapping + selected / (executors * CORES * ROWS_PER_CORE);
  return { seconds, milliDcuSeconds: seconds * 1000 * CORES * (executors + 1) };
}
