import type { Deployment } from '../contract/deployment.ts';
import { LEAST_QUERY_BYTES } from '../contract/prices.ts';
import type { Plan, RunContext } from '../run/context.ts';
import { estimate } from '../run/cost.ts';
import { forecast } from '../run/forecast.ts';
import { confirm } from './confirm.ts';
import { usd } from './words.ts';

/**
 * Asks before a run that is expected to cost more than the stack's setting `confirmAboveUsd`; --yes answers beforehand.
 * Throws ResealError `not-confirmed`.
 */
export async function confirmSpending(context: RunContext, plan: Plan, yes: boolean): Promise<void> {
  const { confirmAboveUsd: most } = context.deployment;
  if (yes || atMost(context.deployment, plan) <= most) return;
  const { costUsd } = await forecast(context, plan);
  if (costUsd <= most) return;
  const words = `The run is expected to cost ${usd(costUsd)}, more than reseal:confirmAboveUsd, ${usd(most)}.`;
  await confirm(words, 'yes', false, context.signal);
}

/** More than any run's statements for a field read the source table, and the statements for all fields. */
const SCANS = { aField: 8, allFields: 4 };

/**
 * A bound that needs nothing but the table's size, where `forecast` makes a dry run of each statement: for most runs it
 * is far below what asks for a confirmation. Infinite where BigQuery does not say how large the table is.
 */
function atMost({ fields, batch }: Deployment, plan: Plan): number {
  if (plan.sourceBytes === 0) return Number.POSITIVE_INFINITY;
  const scans = (SCANS.aField * fields.length + SCANS.allFields) * plan.waves;
  const bytes = scans * Math.max(plan.sourceBytes, LEAST_QUERY_BYTES);
  return estimate({ ...plan, ...batch }, { bytes, billed: bytes }).costUsd;
}
