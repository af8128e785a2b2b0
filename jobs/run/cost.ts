import { CORES, FIRST_EXECUTORS } from '../contract/batch.ts';
import { DCU_USD_PER_HOUR, KMS_USD_PER_CALL } from '../contract/prices.ts';

/** A batch takes 40 to 60 s to start. https://cloud.google.com/dataproc-serverless/docs/overview */
const BATCH_START_SECONDS = 60;
/** Rows a second: what a core of a batch manages with BigQuery at both ends, and this process (bench/). */
const ROWS_PER_CORE = 20_000;
const ROWS_DIRECT = 25_000;

/** What KMS calls and a batch's usage cost, in US$. */
function costUsd(kmsCalls: number, milliDcuSeconds: number): number {
  return kmsCalls * KMS_USD_PER_CALL + (milliDcuSeconds / 1000 / 3600) * DCU_USD_PER_HOUR;
}

export interface Estimate {
  readonly kmsCalls: number;
  readonly minutes: number;
  readonly costUsd: number;
}

/** What a run is likely to take; a rough figure that is meant to prevent surprises. */
export function estimate(work: {
  engine: 'direct' | 'dataproc';
  selected: number;
  distinctDeks: number;
  kmsCallsPerSecond: number;
  maxExecutors: number;
}): Estimate {
  const { selected, distinctDeks } = work;
  const unwrapping = distinctDeks / work.kmsCallsPerSecond;
  if (selected === 0) return { kmsCalls: 0, minutes: 0, costUsd: 0 };
  if (work.engine === 'direct') {
    const seconds = Math.max(unwrapping, selected / ROWS_DIRECT);
    return { kmsCalls: distinctDeks, minutes: seconds / 60, costUsd: costUsd(distinctDeks, 0) };
  }
  // A batch grows with the work; a core is a DCU.
  const executors = Math.min(work.maxExecutors, Math.max(FIRST_EXECUTORS, Math.ceil(selected / 5_000_000)));
  const seconds = BATCH_START_SECONDS + unwrapping + selected / (executors * CORES * ROWS_PER_CORE);
  const milliDcuSeconds = seconds * 1000 * CORES * (executors + 1);
  return { kmsCalls: distinctDeks, minutes: seconds / 60, costUsd: costUsd(distinctDeks, milliDcuSeconds) };
}
