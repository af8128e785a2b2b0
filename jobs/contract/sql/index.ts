/**
 * Every GoogleSQL statement that Reseal issues, for the job and the workflow alike. Each is a function of
 * the stack; docs: https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax
 */
import { ensureKeyset, keysetVersion, newestKeyset } from './keyset-versions.ts';
import {
  endRun,
  history,
  lastKeying,
  markStaging,
  markVerified,
  openRun,
  readRun,
} from './ledger-entries.ts';
import { merge, rejectedCounts } from './merge-script.ts';
import { proveMerged, readValues } from './open-values.ts';
import { clock, count, cutoff, values } from './select-values.ts';
import { adopt, proveStaged, stagedCounts } from './staged-rows.ts';
import type { Warehouse } from './statement.ts';

export { RUN_STATES, type RunState } from './ledger-entries.ts';
export { readProcedureBody } from './open-values.ts';
export { MODES, type Mode, NO_CUTOFF } from './select-values.ts';
export type { ParamType, Statement, Warehouse } from './statement.ts';

/** The statements of a stack, in the order of a run. */
export function statements(w: Warehouse) {
  return {
    clock: clock(),
    cutoff: cutoff(w),
    count: count(w),
    ensureKeyset: ensureKeyset(w),
    newestKeyset: newestKeyset(w),
    keysetVersion: keysetVersion(w),
    openRun: openRun(w),
    markStaging: markStaging(w),
    values: values(w),
    adopt: adopt(w),
    stagedCounts: stagedCounts(w),
    proveStaged: proveStaged(w),
    markVerified: markVerified(w),
    merge: merge(w),
    endRun: endRun(w),
    readRun: readRun(w),
    rejectedCounts: rejectedCounts(w),
    proveMerged: proveMerged(w),
    readValues: readValues(w),
    history: history(w),
    lastKeying: lastKeying(w),
  };
}
export type Statements = ReturnType<typeof statements>;
