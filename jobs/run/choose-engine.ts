import { ResealError } from '../contract/errors.ts';
import type { EngineName } from '../contract/settings/choices.ts';
import { workflowEngine } from '../contract/workflow-engines.ts';
import type { Plan, RunContext, RunOptions } from './context.ts';
import type { Estimate } from './cost.ts';
import { estimates } from './forecast.ts';

/** Costs that are this close count as one, and the time decides: US$. */
const SAME_USD = 0.01;

/**
 * The engine of a run: the one that was asked for, where the stack allows it, or with `auto` the cheapest of those that
 * may take it, the quickest of several; in the workflow the one that the workflow would take.
 *
 * @throws ResealError `engine-not-allowed`, `engine-jar`
 */
export async function chooseEngine(
  context: RunContext,
  { engine: choice, via }: Pick<RunOptions, 'engine' | 'via'>,
  planned: Plan,
): Promise<EngineName> {
  const { engines, batch } = context.deployment;
  if (choice === 'auto' && via === 'workflow')
    return workflowEngine(context.deployment, planned.distinctDeks);
  if (choice === 'auto') return best(context, planned);
  if (choice !== 'dataproc' && batch.jarFile !== null)
    throw new ResealError('engine-jar', `the ${choice} engine cannot run the stack's own jar`, {
      hint: 'leave --engine out, or remove reseal:jarFile and reseal:mainClass',
    });
  if (engines.includes(choice)) return choice;
  throw new ResealError('engine-not-allowed', `this stack allows no ${choice} engine`, {
    hint: `use --engine ${engines.join(' or ')}, or add ${choice} to reseal:engines`,
  });
}

async function best(context: RunContext, planned: Plan): Promise<EngineName> {
  const [first, ...others] = candidates(context, planned.selected);
  // Most stacks leave one: no dry run is made for it.
  if (first === undefined || others.length === 0) return first ?? 'dataproc';
  const able = [first, ...others];
  const expected = await estimates(context, planned, able);
  const all = able.map((engine): readonly [EngineName, Estimate] => [engine, expected[engine]]);
  const least = Math.min(...all.map(([, { costUsd }]) => costUsd));
  const cheap = all.filter(([, { costUsd }]) => costUsd <= least + SAME_USD);
  return cheap.reduce((a, b) => (b[1].minutes < a[1].minutes ? b : a))[0];
}

/** The direct engine takes small tables; more than that only where it is the only one. */
function candidates({ deployment }: RunContext, selected: number): EngineName[] {
  const { engines, directMaxRows, batch } = deployment;
  if (batch.jarFile !== null) return ['dataproc'];
  const able = engines.filter((engine) => engine !== 'direct' || selected <= directMaxRows);
  return able.length > 0 ? able : ['direct'];
}
