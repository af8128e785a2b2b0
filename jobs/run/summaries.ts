import { mostSeals } from '../contract/algorithms.ts';
import type { LedgerRow } from '../contract/ledger.ts';
import type { StageOutcome } from '../engines/engine.ts';
import { withoutIdWords } from '../google/rows-without-id.ts';
import type { Plan } from './context.ts';
import type { Report } from './report.ts';
import type { Verified } from './verify.ts';

/** What each step says of itself once it is done, whoever carried it out. */

export function planSummary(planned: Plan): string {
  const { selected, distinctDeks, waves, engine, erasable, rewrappable, unauthenticated } = planned;
  const { keyset, keysetNearBound, streamedRows, wholePartitions, rowsWithoutId } = planned;
  const parts = [
    ...(selected > 0 ? [`${selected} values under ${distinctDeks} data keys, ${engine} engine`] : []),
    ...(waves > 1 ? [`${waves} waves`] : []),
    ...(unauthenticated > 0 ? [`${unauthenticated} of them seem to have no tag (AES-CBC)`] : []),
    ...(erasable > 0 ? [`${erasable} values to erase`] : []),
    ...(rewrappable > 0 ? [`${rewrappable} row keysets to seal anew, inside BigQuery`] : []),
    ...(streamedRows > 0
      ? [`some ${streamedRows} rows in the streaming buffer are left for a later run`]
      : []),
    ...(keysetNearBound && keyset !== null
      ? [
          `version ${keyset.version} of the first-level keyset is past half of its ${mostSeals(keyset.algorithm).text} seals: rotate it soon`,
        ]
      : []),
  ];
  const work = parts.length === 0 ? 'nothing left to do' : parts.join('; ');
  return [
    work,
    ...(rowsWithoutId > 0 ? [withoutIdWords(rowsWithoutId)] : []),
    ...(wholePartitions === null ? [] : [wholePartitions]),
  ].join('; ');
}

export function stageSummary({ kmsCalls }: StageOutcome, { selected }: Pick<Plan, 'selected'>): string {
  if (selected === 0) return 'nothing to re-encrypt';
  return kmsCalls === null ? 'staged' : `staged with ${kmsCalls} KMS calls`;
}

export function verifySummary({ staged, rejected, unauthenticated, opened }: Verified): string {
  const all = staged + rejected;
  if (all === 0) return 'nothing was staged';
  const counts = rejected > 0 ? `${staged} sealed + ${rejected} rejected = ${all}` : `${staged} sealed`;
  const untagged = unauthenticated > 0 ? `; ${unauthenticated} had no tag` : '';
  return `${counts}; BigQuery opened ${opened ?? 'none'} of them${untagged}`;
}

export function mergeSummary(run: LedgerRow): string {
  const { state, merged, rewrapped, changed_meanwhile: changed, rejected, erased } = run;
  const counts = [
    ...(merged ? [`${merged} merged${state === 'succeeded' ? '' : ' so far'}`] : []),
    ...(changed ? [`${changed} changed meanwhile`] : []),
    ...(rejected ? [`${rejected} rejected`] : []),
    ...(rewrapped ? [`${rewrapped} row keysets sealed anew`] : []),
    ...(erased ? [`${erased} erased`] : []),
  ];
  return counts.length === 0 ? 'nothing to merge' : counts.join(', ');
}

export const reportSummary = ({ read_back: { readable, checked } }: Report): string =>
  `${readable} of ${checked} merged values read back through SQL`;
