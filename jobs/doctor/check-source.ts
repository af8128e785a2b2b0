import { ResealError } from '../contract/errors.ts';
import { allIds, type Mode, WHOLE } from '../contract/sql/index.ts';
import { FEW_REJECTED } from '../contract/verdict.ts';
import type { Endpoints } from '../google/clients.ts';
import type { RunContext } from '../run/context.ts';
import { type Finding, ok, wrong } from './finding.ts';
import { type Outcome, outcomesOf, reasonsOf, sampledValues } from './sampled-values.ts';

/** Values that are tried: a Decrypt call each, so few. */
const SAMPLE = 20;

/**
 * Tries a few pending values: whether the format, the encoding of the data keys, the KEK and `valuePattern` are right
 * shows before a run, not after it. Where hardly one is pending, any value will do: what earlier runs left may be just
 * what does not open.
 */
export async function checkSource(context: RunContext, endpoints?: Endpoints): Promise<Finding> {
  const { deployment: d, bigquery, sql } = context;
  const check = `source format ${d.sourceFormat}`;
  const [clock] = await bigquery.query(sql.clock, {});
  const selection = {
    snapshot_millis: String(clock?.snapshot_millis),
    ...allIds(d),
    ...WHOLE,
    // Only the mode `stale` asks for it.
    keyset_version: 0,
    row_limit: SAMPLE,
  };
  try {
    const sampled = (mode: Mode) => sampledValues(context, { ...selection, mode });
    const pending = await sampled('pending');
    const values = pending.length > FEW_REJECTED ? pending : await sampled('all');
    const outcomes = await outcomesOf(context, values, endpoints);
    return outcomes.length === 0 ? ok(check, 'no value to try it on') : judged(check, outcomes);
  } catch (error) {
    if (!(error instanceof ResealError)) throw error;
    // Only the direct engine uses the key in this account's name.
    const verdict = error.code === 'kms-denied' ? 'unknown' : 'failed';
    return wrong(verdict, check, error.message, error.hint ?? 'docs/errors.md says more');
  }
}

function judged(check: string, outcomes: readonly Outcome[]): Finding {
  const opened = outcomes.filter((one) => one === 'opened').length;
  const reasons = reasonsOf(outcomes)
    .map(([reason, n]) => `${n} ${reason}`)
    .join(', ');
  const found = `${opened} of ${outcomes.length} values open${reasons === '' ? '' : `; ${reasons}`}`;
  if (opened * 2 > outcomes.length) return ok(check, found);
  // A few that do not open may be all that earlier runs could not take.
  return wrong(
    outcomes.length > FEW_REJECTED ? 'failed' : 'warning',
    check,
    found,
    'check reseal:sourceFormat, reseal:sourceKek and reseal:valuePattern; docs/reasons.md says what each reason means',
  );
}
