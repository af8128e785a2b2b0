import { rmSync } from 'node:fs';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { EngineName } from '../../jobs/contract/settings/choices.ts';
import type { RunOptions } from '../../jobs/run/context.ts';
import { setFaults } from '../../sandbox/faults/client.ts';
import { METHOD_NAMES, SERVICES, type Service } from '../../sandbox/faults/methods.ts';
import { parseRules } from '../../sandbox/faults/rules.ts';
import { begin } from './runs.ts';
import { type Outcome, truth } from './truth.ts';
import { serve, type World } from './world.ts';

/** A run that nothing befell: what it leaves, and where something can befall another. */
export interface Calm {
  readonly outcome: Outcome;
  /** The methods that it called, and how often. */
  readonly methods: readonly Called[];
  readonly ms: number;
}

export interface Called {
  readonly service: Service;
  readonly method: string;
  readonly calls: number;
}

/** A new run of a world's. */
export const optionsOf = ({ waveDeks }: Pick<World, 'waveDeks'>, engine: EngineName): RunOptions => ({
  runId: newRunId(),
  mode: 'pending',
  limit: null,
  engine,
  waveDeks,
});

/** Runs once, counting the calls of every method. */
export async function calm(world: World, engine: EngineName): Promise<Calm> {
  const state = world.copy();
  const served = await serve(world, state, () => {});
  try {
    // What costs no time changes nothing, and counts its calls.
    const rules = SERVICES.flatMap((service) =>
      METHOD_NAMES[service].map((method) => ({ service, method, kind: 'latency', ms: 0 })),
    );
    await setFaults(served.owner, parseRules({ rules }));
    const since = performance.now();
    await begin(world.deployment, served.job, optionsOf(world, engine));
    const ms = performance.now() - since;
    const response = await fetch(`${served.owner.control}/sandbox/v1/faults`);
    const counted = (await response.json()) as { rules: { rule: Omit<Called, 'calls'>; calls: number }[] };
    const methods = counted.rules
      .map(({ rule: { service, method }, calls }) => ({ service, method, calls }))
      .filter(({ calls }) => calls > 0);
    const { outcome } = await truth(world.deployment, served.owner);
    return { outcome: await outcome(), methods, ms };
  } finally {
    await served.close();
    rmSync(state, { recursive: true, force: true });
  }
}

/** One of each of these engines. */
export async function calmOf(
  world: World,
  engines: readonly EngineName[],
): Promise<ReadonlyMap<EngineName, Calm>> {
  const all = new Map<EngineName, Calm>();
  for (const engine of engines) all.set(engine, await calm(world, engine));
  return all;
}
