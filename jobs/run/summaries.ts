import type { LedgerRow } from '../contract/ledger.ts';
import type { StageOutcome } from '../engines/engine.ts';
import type { Plan } from './context.ts';
import type { Report } from './report.ts';
import type { Verified } from './verify.ts';

/** What each step says of itself once it is done, whoever carried it out. */

export function planSummary(planned: Plan): string {
  const { selected, distinctDeks, waves, engine, erasable, rewrappable, unauthenticated } = planned;
  const { keyset, keysetNearBound, streamedRows, wholePartitions } = planned;
  const parts = [
    ...(selected > 0 ? [`${selected} values under ${distinctDeks} data keys, ${engine} engine`] : []),
    ...(waves > 1 ? [`${waves} waves`] : []),
    ...(unauthenticated > 0 ? [`${unauthenticated} of them seem to have no tag (AES-CBC)`] : []),
    ...(erasable > 0 ? [`${erasable} values to erase`] : []),
    ...(rewrappable > 0 ? [`${rewrappable} row keysets to seal anew, inside BigQuery`] : []),
    ...(streamedRows > 0
      ? [`some ${streamedRows} rows in the streaming buffer are left for a later run`]
      : []),
    ...(keysetNearBound
      ? [
          `version ${keyset?.version} of the first-level keyset is past half of its 2^32 seals: rotate it soon`,
        ]
      : []),
  ];
  const work = parts.length === 0 ? 'nothing left to do' : parts.join('; ');
  return wholePartitions === null ? work : `${work}; ${wholePartitions}`;
}

export const stageSummary = ({ kmsCalls }: StageOutcome): string =>
  kmsCalls === null ? 'staged' : `staged with ${kmsCalls} KMS calls`;

export const verifySummary = ({ staged, rejected, unauthenticated, opened }: Verified): string =>
  `${staged} sealed + ${rejected} rejected = ${staged + rejected}; BigQuery opened ${opened ?? 'none'} of them${unauthenticated > 0 ? `; ${unauthenticated} had no tag` : ''}`;

export function mergeSummary(run: LedgerRow): string {
  const { state, merged, rewrapped, changed_meanwhile: changed, rejected, erased } = run;
  return [
    `${merged} merged${state === 'succeeded' ? '' : ' so far'}, ${changed} changed meanwhile, ${rejected} rejected`,
    ...(rewrapped ? [`${rewrapped} row keysets sealed anew`] : []),
    ...(erased ? [`${erased} erased`] : []),
  ].join(', ');
}

export const reportSummary = ({ read_back: { readable, checked } }: Report): string =>
  `${readable} of ${checked} merged values read back through SQL`;
