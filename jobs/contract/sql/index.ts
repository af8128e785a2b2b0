/**
 * Every GoogleSQL statement that Reseal issues, for the job and the workflow alike. Each is a function of
 * the stack; docs: https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax
 */
import type { Deployment } from '../deployment.ts';
import { adoptKeyset, inspectKeyset, opensOther, rewrapKeyset } from './adopted-keysets.ts';
import {
  deterministicPrefix,
  ensureKeyset,
  keysetPrefix,
  keysetVersion,
  keysetVersions,
  lastVersion,
  newestKeyset,
  newestKeysets,
  rotateKeyset,
  sealedByPrefix,
  sealsUnder,
} from './keyset-versions.ts';
import { letGo, readLease, renewLease, takeHandedOver, takeLease, unfinishedRuns } from './lease-entries.ts';
import {
  abandonRun,
  endRun,
  history,
  markStaged,
  markStaging,
  markVerified,
  openRun,
  readRun,
} from './ledger-entries.ts';
import { merge } from './merge-script.ts';
import { proveMerged, readValues } from './open-values.ts';
import { replaceReadView } from './read-view.ts';
import { rejectedByRun, rejectedCounts, rejectedNow } from './rejected-values.ts';
import { countRewrappable } from './rewrap-row-keysets.ts';
import { sealValues, valuesLeft } from './seal-values.ts';
import { clock, count, cutoff, firstId, rowsWithoutId, sample, sourceRows, values } from './select-values.ts';
import { knownIds, proveShredded, shred, sourcesOf, stagedOf } from './shred-values.ts';
import {
  adopt,
  clearAttempt,
  clearStaged,
  proveStaged,
  stagedCounts,
  stagedReasons,
  stagedRuns,
} from './staged-rows.ts';
import { clearDataKeys, dataKeyNames, makeTryKeyset, readTryKeyset } from './try-keys.ts';

export { changedPartitions } from './changed-partitions.ts';
export { ALL_TIME } from './ledger-entries.ts';
export { mergeScans } from './merge-scans.ts';
export { KEYSET_GONE, STAGED_DIFFER } from './merge-script.ts';
export { readProcedureBody, unreadableColumn } from './open-values.ts';
export { readView } from './read-view.ts';
export { rewrapScans, rewraps } from './rewrap-row-keysets.ts';
export { allIds, NO_CUTOFF, NO_FLOOR } from './row-ids.ts';
export { DATA_KEYS_GONE } from './seal-values.ts';
export { MODES, type Mode } from './select-values.ts';
export { type Selection, selectionOf, WHOLE } from './selection.ts';
export { kmsUri, type Statement } from './statement.ts';

/**
 * The statements of a stack, in the order of a run.
 *
 * @example
 * const { count } = statements(deployment);
 * const all = { mode: 'pending', snapshot_millis: '1767323045000', ...allIds(d), keyset_version: 1, ...WHOLE };
 * await bigquery.query(count, all);
 */
export function statements(d: Deployment) {
  return {
    clock: clock(),
    firstId: firstId(d),
    cutoff: cutoff(d),
    count: count(d),
    countRewrappable: countRewrappable(d),
    ensureKeyset: ensureKeyset(d),
    newestKeyset: newestKeyset(d),
    newestKeysets: newestKeysets(d),
    keysetVersion: keysetVersion(d),
    openRun: openRun(d),
    takeLease: takeLease(d),
    takeHandedOver: takeHandedOver(d),
    renewLease: renewLease(d),
    letGo: letGo(d),
    readLease: readLease(d),
    markStaging: markStaging(d),
    sample: sample(d),
    values: values(d),
    dataKeyNames: dataKeyNames(d),
    makeTryKeyset: makeTryKeyset(d),
    readTryKeyset: readTryKeyset(d),
    sealValues: sealValues(d),
    valuesLeft: valuesLeft(d),
    clearDataKeys: clearDataKeys(d),
    adopt: adopt(d),
    stagedCounts: stagedCounts(d),
    stagedReasons: stagedReasons(d),
    stagedRuns: stagedRuns(d),
    proveStaged: proveStaged(d),
    markStaged: markStaged(d),
    markVerified: markVerified(d),
    merge: merge(d),
    endRun: endRun(d),
    abandonRun: abandonRun(d),
    clearStaged: clearStaged(d),
    clearAttempt: clearAttempt(d),
    unfinishedRuns: unfinishedRuns(d),
    readRun: readRun(d),
    rejectedCounts: rejectedCounts(d),
    rejectedByRun: rejectedByRun(d),
    rejectedNow: rejectedNow(d),
    proveMerged: proveMerged(d),
    readValues: readValues(d),
    history: history(d),
    sealsUnder: sealsUnder(d),
    sourceRows: sourceRows(d),
    rowsWithoutId: rowsWithoutId(d),
    keysetVersions: keysetVersions(d),
    lastVersion: lastVersion(d),
    keysetPrefix: keysetPrefix(),
    deterministicPrefix: deterministicPrefix(),
    sealedByPrefix: sealedByPrefix(d),
    replaceReadView: replaceReadView(d),
    rotateKeyset: rotateKeyset(d),
    rewrapKeyset: rewrapKeyset(d),
    adoptKeyset: adoptKeyset(d),
    inspectKeyset: inspectKeyset(d),
    opensOther: opensOther(d),
    knownIds: knownIds(d),
    shred: shred(d),
    proveShredded: proveShredded(d),
    sourcesOf: sourcesOf(d),
    stagedOf: stagedOf(d),
  };
}
export type Statements = ReturnType<typeof statements>;
