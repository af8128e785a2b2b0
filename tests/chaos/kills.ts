import { rmSync } from 'node:fs';
import type { EngineName } from '../../jobs/contract/settings/choices.ts';
import type { RunOptions } from '../../jobs/run/context.ts';
import { setFaults } from '../../sandbox/faults/client.ts';
import { dice } from '../../sandbox/faults/dice.ts';
import { parseRules, type Rule } from '../../sandbox/faults/rules.ts';
import { type Called, type Calm, optionsOf } from './calm.ts';
import { differences, leaked, notWhole } from './judge.ts';
import { goOn } from './runs.ts';
import { type Outcome, truth } from './truth.ts';
import { jobVictim, sandboxVictim } from './victims.ts';
import { serve, type World } from './world.ts';

/** Whose process ends: the job's alone, or the sandbox's and with it the job's. */
const WHOM = ['job', 'sandbox'] as const;
type Whom = (typeof WHOM)[number];

/** Where a run is killed: before or after its nth call of a method, or so many milliseconds after its start. */
export type Kill = { readonly whom: Whom } & (
  | {
      readonly service: string;
      readonly method: string;
      readonly from: number;
      readonly when: 'before' | 'after';
    }
  | { readonly ms: number }
);

/** Before and after every external call of a run, for both processes. */
export const everywhere = (methods: readonly Called[]): Kill[] =>
  methods.flatMap(({ service, method, calls }) =>
    Array.from({ length: calls }, (_, at) => at + 1).flatMap((from) =>
      (['before', 'after'] as const).flatMap((when) =>
        WHOM.map((whom): Kill => ({ whom, service, method, from, when })),
      ),
    ),
  );

/** So many kills of a seed: a half of them at calls, the rest at any moment of a run. */
export function chosen({ methods, ms }: Calm, kills: number, seed: number): Kill[] {
  const roll = dice(seed);
  const any = <T>(list: readonly T[]): T => list[Math.floor(roll() * list.length)] as T;
  const calls = everywhere(methods);
  return Array.from({ length: kills }, (_, at) => {
    if (at % 2 === 0) return any(calls);
    return { whom: any(WHOM), ms: Math.round(roll() * ms * 1.2) };
  });
}

export const described = (kill: Kill): string => {
  const where =
    'ms' in kill ? `after ${kill.ms} ms` : `${kill.when} ${kill.service} ${kill.method} number ${kill.from}`;
  return `${kill.whom} killed ${where}`;
};

/** What came of a kill: nothing wrong, or what is. */
export interface Trial {
  readonly kill: Kill;
  /** False where the run had ended before. */
  readonly reached: boolean;
  /** The ledger's state of the run when it was killed; null for none. */
  readonly found: string | null;
  readonly wrong: string[];
}

/** Kills a run and goes on with it, and holds what it leaves against a run that nothing befell. */
export async function trial(world: World, engine: EngineName, kill: Kill, expected: Outcome): Promise<Trial> {
  const state = world.copy();
  const options = optionsOf(world, engine);
  const wrong: string[] = [];
  let [reached, found]: [boolean, string | null] = [true, null];
  try {
    reached = await killed(world, state, options, kill, wrong);
    const served = await serve(world, state, () => {});
    try {
      const after = await truth(world.deployment, served.owner);
      found = await after.state(options.runId);
      const report = await goOn(world.deployment, served.job, options);
      if (report.state !== 'succeeded') wrong.push(`the resumed run is ${report.state}`);
      wrong.push(...differences(await after.outcome(), expected, options.runId));
    } finally {
      await served.close();
    }
    wrong.push(...leaked(world, state));
  } catch (error) {
    wrong.push(`going on failed: ${error instanceof Error ? `${error.name}: ${error.message}` : error}`);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
  return { kill, reached, found, wrong };
}

const rulesOf = (kill: Kill): Rule[] => {
  if ('ms' in kill) return [];
  const { service, method, from, when } = kill;
  return parseRules({ rules: [{ kind: 'kill', service, method, from, when }] });
};

/** Kills a run and looks at what is left of it. Returns whether there was anything to kill. */
async function killed(
  world: World,
  state: string,
  options: RunOptions,
  kill: Kill,
  wrong: string[],
): Promise<boolean> {
  const victim = await (kill.whom === 'job' ? jobVictim : sandboxVictim)(world, state);
  try {
    const before = await (await truth(world.deployment, victim.owner)).users();
    await setFaults(victim.owner, rulesOf(kill));
    const reached = await victim.run(options, 'ms' in kill ? kill.ms : undefined);
    const after = await truth(world.deployment, await victim.remains());
    wrong.push(...(await notWhole(after, options.runId, before)));
    return reached;
  } finally {
    await victim.close();
  }
}
