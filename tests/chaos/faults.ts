import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ERROR_CODES } from '../../jobs/contract/error-codes.ts';
import { ResealError } from '../../jobs/contract/errors.ts';
import type { EngineName } from '../../jobs/contract/settings/choices.ts';
import { setFaults } from '../../sandbox/faults/client.ts';
import { parseRules } from '../../sandbox/faults/rules.ts';
import { optionsOf } from './calm.ts';
import type { FaultCase, Undisturbed } from './fault-cases.ts';
import { differences, leaked, notWhole } from './judge.ts';
import { begin, goOn } from './runs.ts';
import { truth } from './truth.ts';
import { serve, type World } from './world.ts';

/** What a run waits for is given up sooner than usual: what is waited for here has no reason to take its time. */
const LIMITS = {
  jobMs: 4_000,
  pendingMs: 3_000,
  runningMs: 15_000,
  quotaMs: 4_000,
  faultMs: 4_000,
  lookMs: 4_000,
};
/** A run under faults that takes longer than this hangs. */
const HANGS_MS = 150_000;

/** What came of it. */
export interface FaultOutcome {
  /** `succeeded`, or the code of the error that the run ended with. */
  readonly ended: string;
  readonly ms: number;
  readonly wrong: string[];
}

/** Runs under the faults, then goes on without them. */
export async function underFaults(
  world: World,
  undisturbed: Undisturbed,
  { engine, rules }: FaultCase,
): Promise<FaultOutcome> {
  const expected = undisturbed.get(engine)?.outcome;
  if (expected === undefined) throw new RangeError(`no undisturbed run of the ${engine} engine`);
  const state = world.copy();
  const served = await serve(world, state, () => {});
  const options = optionsOf(world, engine);
  const wrong: string[] = [];
  try {
    const after = await truth(world.deployment, served.owner);
    const before = await after.users();
    await setFaults(served.owner, parseRules({ rules }));
    const controller = new AbortController();
    const since = performance.now();
    const running = begin(world.deployment, served.job, options, controller.signal, LIMITS).then(
      () => 'succeeded',
      (error: unknown) => codeOf(error, wrong),
    );
    const hung = sleep(HANGS_MS, 'hangs', { signal: controller.signal }).catch(() => 'hangs');
    const ended = await Promise.race([running, hung]);
    const ms = performance.now() - since;
    controller.abort();
    wrong.push(...misnamed(engine, rules, ended));
    if (ended === 'hangs') wrong.push(`it had not ended after ${HANGS_MS / 1000} s`);
    await setFaults(served.owner, []);
    await after.settled();
    wrong.push(...(await notWhole(after, options.runId, before)));
    const report = await goOn(world.deployment, served.job, options);
    if (report.state !== 'succeeded') wrong.push(`the resumed run is ${report.state}`);
    wrong.push(...differences(await after.outcome(), expected, options.runId), ...leaked(world, state));
    return { ended, ms, wrong };
  } catch (error) {
    return { ended: 'broken', ms: 0, wrong: [...wrong, `going on failed: ${said(error)}`] };
  } finally {
    await served.close();
    rmSync(state, { recursive: true, force: true });
  }
}

/** Where Cloud KMS alone is in trouble, a run says so, and blames nobody who waited for it; a batch ends in its own way. */
function misnamed(engine: EngineName, rules: readonly object[], ended: string): string[] {
  const ofKms = rules.every((rule) => 'service' in rule && rule.service === 'kms');
  // A token that is not taken says nothing of Cloud KMS, whichever service it was shown to.
  const fitting = ended.startsWith('kms-') || ended === 'no-credentials';
  if (!ofKms || engine === 'dataproc' || ended === 'succeeded' || fitting) return [];
  return [`Cloud KMS alone failed, and it ended with ${ended}`];
}

function codeOf(error: unknown, wrong: string[]): string {
  if (!(error instanceof ResealError)) wrong.push(`it ended with no code: ${said(error)}`);
  else if (!(error.code in ERROR_CODES) || error.code === 'internal')
    wrong.push(`it ended with the code ${error.code}: ${error.message}`);
  return error instanceof ResealError ? error.code : 'no code';
}

const said = (error: unknown): string =>
  error instanceof ResealError ? `${error.code}: ${error.message}` : String((error as Error)?.stack ?? error);
