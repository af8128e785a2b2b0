import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { RunOptions } from '../../jobs/run/context.ts';
import { setFaults } from '../../sandbox/faults/client.ts';
import { dice } from '../../sandbox/faults/dice.ts';
import { METHOD_NAMES, SERVICES } from '../../sandbox/faults/methods.ts';
import { parseRules } from '../../sandbox/faults/rules.ts';
import { begin, goOn } from './runs.ts';
import { type Outcome, truth } from './truth.ts';
import { child, serve, serveApart, type World } from './world.ts';

type EngineName = 'direct' | 'dataproc';

/** Whose process ends: the job's alone, or the sandbox's and with it the job's. */
type Whom = 'job' | 'sandbox';

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

/** An uninterrupted run: what it leaves, and where it can be killed. */
export interface Uninterrupted {
  readonly outcome: Outcome;
  /** Before and after every external call, for both processes. */
  readonly calls: Kill[];
  readonly ms: number;
}

const optionsOf = (engine: EngineName, runId = newRunId()): RunOptions => ({
  runId,
  mode: 'pending',
  limit: null,
  engine,
});

/** Runs once without a kill, counting the calls of every method. */
export async function uninterrupted(world: World, engine: EngineName): Promise<Uninterrupted> {
  const state = world.copy();
  const served = await serve(world, state, () => {});
  try {
    const rules = SERVICES.flatMap((service) =>
      METHOD_NAMES[service].map((method) => ({ service, method, kind: 'latency', ms: 0 })),
    );
    await setFaults(served.owner, parseRules({ rules }));
    const since = performance.now();
    const options = optionsOf(engine);
    await begin(world.deployment, served.job, options);
    const ms = performance.now() - since;
    const response = await fetch(`${served.owner.control}/sandbox/v1/faults`);
    const counted = (await response.json()) as {
      rules: { rule: { service: string; method: string }; calls: number }[];
    };
    const calls = counted.rules.flatMap(({ rule: { service, method }, calls }) =>
      Array.from({ length: calls }, (_, at) => at + 1).flatMap((from) =>
        (['before', 'after'] as const).flatMap((when) =>
          (['job', 'sandbox'] as const).map((whom): Kill => ({ whom, service, method, from, when })),
        ),
      ),
    );
    const { outcome } = await truth(world.deployment, served.owner);
    return { outcome: await outcome(), calls, ms };
  } finally {
    await served.close();
    rmSync(state, { recursive: true, force: true });
  }
}

/** So many kills of a seed: a share of them at calls, the rest at any moment of a run. */
export function chosen({ calls, ms }: Uninterrupted, kills: number, seed: number): Kill[] {
  const roll = dice(seed);
  const any = <T>(list: readonly T[]): T => list[Math.floor(roll() * list.length)] as T;
  return Array.from({ length: kills }, (_, at) => {
    if (at % 2 === 0) return any(calls);
    return { whom: any<Whom>(['job', 'sandbox']), ms: Math.round(roll() * ms * 1.2) };
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

/** Kills a run and goes on with it, and holds what it leaves against an uninterrupted one. */
export async function trial(world: World, engine: EngineName, kill: Kill, expected: Outcome): Promise<Trial> {
  const state = world.copy();
  const options = optionsOf(engine);
  const wrong: string[] = [];
  let [reached, found]: [boolean, string | null] = [true, null];
  try {
    reached = await (kill.whom === 'job' ? killJob : killBoth)(world, state, options, kill, wrong);
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
  } catch (error) {
    wrong.push(`going on failed: ${error instanceof Error ? `${error.name}: ${error.message}` : error}`);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
  return { kill, reached, found, wrong };
}

const ruleOf = (kill: Kill) =>
  'ms' in kill
    ? []
    : parseRules({
        rules: [
          { kind: 'kill', service: kill.service, method: kill.method, from: kill.from, when: kill.when },
        ],
      });

/** The sandbox lives on, and what the job had begun in it comes to its end. Returns whether the job was killed. */
async function killJob(
  world: World,
  state: string,
  options: RunOptions,
  kill: Kill,
  wrong: string[],
): Promise<boolean> {
  let end = (): void => {};
  const served = await serve(world, state, () => end());
  try {
    const after = await truth(world.deployment, served.owner);
    const before = await after.users();
    await setFaults(served.owner, ruleOf(kill));
    const { deployment } = world;
    const job = child('job-process', { deployment, endpoints: served.job, options });
    const exited = once(job, 'exit');
    end = () => void job.kill('SIGKILL');
    if ('ms' in kill) setTimeout(end, kill.ms + START_MS).unref();
    const [, signal] = await exited;
    await setFaults(served.owner, []);
    await after.settled();
    await whole(after, options.runId, before, wrong);
    return signal === 'SIGKILL';
  } finally {
    await served.close();
  }
}

/** Some time that a process takes to load its modules: a kill before that would meet nothing. */
const START_MS = 1_000;

async function killBoth(
  world: World,
  state: string,
  options: RunOptions,
  kill: Kill,
  wrong: string[],
): Promise<boolean> {
  const served = await serveApart(world, state);
  const before = await (await truth(world.deployment, served.owner)).users();
  await setFaults(served.owner, ruleOf(kill));
  const exited = once(served.process, 'exit').then(() => true);
  const controller = new AbortController();
  const running = begin(world.deployment, served.job, options, controller.signal).then(
    () => false,
    // A run that finds its cloud gone is as good as dead.
    () => exited,
  );
  const timer = 'ms' in kill ? setTimeout(() => served.process.kill('SIGKILL'), kill.ms) : undefined;
  const reached = await Promise.race([exited, running]);
  clearTimeout(timer);
  controller.abort();
  served.process.kill('SIGKILL');
  await exited;
  const again = await serve(world, state, () => {});
  try {
    await whole(await truth(world.deployment, again.owner), options.runId, before, wrong);
  } finally {
    await again.close();
  }
  return reached;
}

/** Right after a kill the source table is as it was, or the run is merged whole and its ledger says so. */
async function whole(
  after: Awaited<ReturnType<typeof truth>>,
  runId: string,
  before: unknown[],
  wrong: string[],
): Promise<void> {
  const untouched = isDeepStrictEqual(await after.users(), before);
  const succeeded = (await after.state(runId)) === 'succeeded';
  if (untouched === succeeded)
    wrong.push(
      succeeded ? 'the ledger has a merge that users has not' : 'users is merged, and the ledger is not told',
    );
}

function differences(found: Outcome, expected: Outcome, runId: string): string[] {
  const of = (outcome: Outcome): Record<keyof Outcome, string> => {
    const text = (rows: unknown): string =>
      JSON.stringify(rows).replaceAll(/"run_id":"[^"]+"/g, '"run_id":"RUN"');
    return {
      values: text(outcome.values),
      rejected: text(outcome.rejected),
      ledger: text(outcome.ledger),
      staged: text(outcome.staged),
      merges: text(outcome.merges),
    };
  };
  const [is, should] = [of(found), of(expected)];
  const differing = (Object.keys(should) as (keyof Outcome)[]).filter((name) => is[name] !== should[name]);
  return differing.map((name) => `run ${runId}: ${name} is ${is[name]}, and not ${should[name]}`);
}
