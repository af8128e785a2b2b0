import type { LedgerName } from '../contract/ledger.ts';

/** What a run may do beside what it selects, by the ledger's columns. */
const BESIDE = [
  { column: 'rewrapped', name: 'sealed anew' },
  { column: 'erased', name: 'erased' },
] as const satisfies readonly { column: LedgerName; name: string }[];

export type Beside = (typeof BESIDE)[number]['column'];

/** That of it which any of the runs did: a list of them has a column for each. */
export const besideOf = (runs: readonly Readonly<Record<Beside, number | null>>[]) =>
  BESIDE.filter(({ column }) => runs.some((run) => run[column]));
