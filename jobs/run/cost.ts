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
 * Data keys a second that this process opens at the most, whatever the rate: each takes some 0.5 ms of CPU, most of it in
 * Google's client (bench/).
 */
const KEYS_HERE = 2_000;
/** What this process takes to load Google's client of KMS and to reach it. */
const DIRECT_START_SECONDS = 0.5;
/** What calls make of the rate that they may have: they do not arrive as evenly as they are made (bench/). */
const KMS_RATE_USED = 0.95;
/**
 * Statements that a run waits for one after the other, behind its plan: those about the run itself, and those of a wave,
 * of which the merge's script has half.
 */
const STATEMENTS = { ofTheRun: 8, ofAWave: 16 };
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
  /** What a small statement takes: BigQuery's own pace and the way to it, as the plan has met them. */
  readonly statementMillis: number;
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
    minutes: (seconds + statementSeconds(work)) / 60,
    bigQueryBytes: bytes,
    bigQueryUsd,
    kmsUsd,
    dataprocUsd,
    costUsd: kmsUsd + dataprocUsd + bigQueryUsd,
  };
}

const statementSeconds = ({ waves, statementMillis }: Work): number =>
  ((STATEMENTS.ofTheRun + STATEMENTS.ofAWave * waves) * statementMillis) / 1000;

/** The time that staging takes, and what a batch uses of DCUs. */
function staging(work: Work): { seconds: number; milliDcuSeconds: number } {
  const { selected } = work;
  if (selected === 0) return { seconds: 0, milliDcuSeconds: 0 };
  const aSecond = KMS_RATE_USED * work.kmsCallsPerSecond;
  const keysASecond = work.engine === 'dataproc' ? aSecond : Math.min(KEYS_HERE, aSecond);
  const unwrapping = work.distinctDeks / keysASecond;
  if (work.engine === 'direct') {
    const working = Math.max(unwrapping, selected / ROWS_DIRECT);
    return { seconds: DIRECT_START_SECONDS + working, milliDcuSeconds: 0 };
  }
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
