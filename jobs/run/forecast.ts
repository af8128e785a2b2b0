import type { EngineName } from '../contract/settings/choices.ts';
import type { Plan, RunContext } from './context.ts';
import { type Estimate, estimate } from './cost.ts';
import { scanned } from './scanned.ts';

/** What a planned run is likely to take with its own engine. */
export async function forecast(context: RunContext, plan: Plan): Promise<Estimate> {
  const all = await estimates(context, plan, [plan.engine]);
  return all[plan.engine];
}

/** The same with every engine that may take the run, and with its own. */
export async function forecasts(context: RunContext, plan: Plan): Promise<Map<EngineName, Estimate>> {
  const { engines, batch } = context.deployment;
  const able = engines.filter((engine) => engine === 'dataproc' || batch.jarFile === null);
  const all = await estimates(context, plan, [...new Set([...able, plan.engine])]);
  return new Map(Object.entries(all) as [EngineName, Estimate][]);
}

/** The same with each of some engines; a dry run that two of them share is made once. */
export async function estimates(
  context: RunContext,
  plan: Plan,
  engines: readonly EngineName[],
): Promise<Record<EngineName, Estimate>> {
  const { maxExecutors, kmsCallsPerSecond } = context.deployment.batch;
  const read = await scanned(context, plan, engines);
  const one = (engine: EngineName): Estimate =>
    estimate({ ...plan, engine, maxExecutors, kmsCallsPerSecond }, read[engine]);
  return Object.fromEntries(engines.map((engine) => [engine, one(engine)])) as Record<EngineName, Estimate>;
}
