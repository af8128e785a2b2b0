import type { LedgerRow } from '../contract/ledger.ts';
import type { StageOutcome } from '../engines/engine.ts';
import type { Plan } from './context.ts';
import type { Report } from './report.ts';
import type { Verified } from './verify.ts';

/** What each step says of itself once it is done, whoever carried it out. */

export const planSummary = (planned: Plan): string =>
  planned.selected === 0
    ? 'nothing left to do'
    : `${planned.selected} values under ${planned.distinctDeks} data keys, ${planned.engine} engine`;

export const stageSummary = ({ kmsCalls }: StageOutcome): string =>
  kmsCalls === null ? 'staged' : `staged with ${kmsCalls} KMS calls`;

export const verifySummary = ({ staged, rejected, opened }: Verified): string =>
  `${staged} sealed + ${rejected} rejected = ${staged + rejected}; BigQuery opened ${opened ?? 'none'} of them`;

export const mergeSummary = ({ merged, changed_meanwhile: changed, rejected }: LedgerRow): string =>
  `${merged} merged, ${changed} changed meanwhile, ${rejected} rejected`;

export const reportSummary = ({ read_back: { readable, checked } }: Report): string =>
  `${readable} of ${checked} merged values read back through SQL`;
