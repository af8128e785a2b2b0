import type { EngineName } from '../contract/settings/choices.ts';
import type { Plan, RunContext } from '../run/context.ts';
import { type Estimate, estimate } from '../run/cost.ts';
import { scanned } from '../run/scanned.ts';

/** What a planned run is likely to take with an engine: its own, unless said otherwise. */
export async function forecast(
  context: RunContext,
  plan: Plan,
  engine: EngineName = plan.engine,
): Promise<Estimate> {
  const { maxExecutors, kmsCallsPerSecond } = context.deployment.batch;
  const by = { ...plan, engine };
  return estimate({ ...by, maxExecutors, kmsCallsPerSecond }, await scanned(context, by));
}

/** The same with every engine that may take the run. */
export async function forecasts(context: RunContext, plan: Plan): Promise<Map<EngineName, Estimate>> {
  const { engines, batch } = context.deployment;
  const able = engines.filter((engine) => engine === 'dataproc' || batch.jarFile === null);
  const all = await Promise.all(
    able.map(async (engine) => [engine, await forecast(context, plan, engine)] as const),
  );
  return new Map(all);
}
