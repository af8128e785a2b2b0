/** What job and workflow judge alike. */

/** A few values never stop a run: one bad value among three new ones is no sign of a wrong setting. */
export const FEW_REJECTED = 10;

/** After these failures the staged rows are not whole: what the attempt staged must not be taken again. */
export const NOT_WHOLE = ['verify-count', 'verify-open', 'merge-count'] as const;

/**
 * The attempts of a run that are not to be taken again, as its row of the ledger has them.
 *
 * @example
 * notWhole(' reseal-pr-123 reseal-pr-123--2 '); // ['reseal-pr-123', 'reseal-pr-123--2']
 */
export const notWhole = (noted: string | null): string[] => noted?.split(' ').filter((id) => id !== '') ?? [];

/** Codes of ends that somebody has decided on. */
export const DECIDED = ['cancelled', 'batch-cancelled', 'workflow-cancelled'] as const;

/**
 * The state that the ledger gives a run which breaks off with an error's code.
 *
 * @example
 * endState('batch-cancelled'); // 'cancelled'
 * endState('batch-failed'); // 'failed'
 */
export const endState = (code: string): 'cancelled' | 'failed' =>
  DECIDED.some((decided) => decided === code) ? 'cancelled' : 'failed';

/** Codes of ends that may not come again: the workflow goes on trying a run of the deployed job after them. */
export const PASSING = [
  'bigquery',
  'bigquery-busy',
  'bigquery-unreachable',
  'data-keys-gone',
  'internal',
  'job-failed',
  'job-stuck',
  'kms-unavailable',
  'merge-count',
] as const;
