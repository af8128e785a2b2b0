import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { ERROR_CODES } from '../../jobs/contract/error-codes.ts';
import { ResealError } from '../../jobs/contract/errors.ts';
import type { EngineName } from '../../jobs/contract/settings/choices.ts';
import { setFaults } from '../../sandbox/faults/client.ts';
import { levelOf, parseRules, type Rule } from '../../sandbox/faults/rules.ts';
import { type Called, type Calm, optionsOf } from './calm.ts';
import { differences, leaked, notWhole } from './judge.ts';
import { begin, goOn } from './runs.ts';
import { truth } from './truth.ts';
import { serve, type World } from './world.ts';

/** What a run waits for is given up sooner than usual: what is waited for here has no reason to take its time. */
const LIMITS = { jobMs: 4_000, pendingMs: 3_000, runningMs: 15_000, quotaMs: 4_000, faultMs: 4_000 };
/** A run under faults that takes longer than this hangs. */
const HANGS_MS = 150_000;

/** Runs that nothing befell, of the engines that faults are to strike. */
export type Undisturbed = ReadonlyMap<EngineName, Calm>;

/** A run under faults. */
export interface FaultCase {
  readonly engine: EngineName;
  readonly rules: readonly object[];
}

/** What came of it. */
export interface FaultOutcome {
  /** `succeeded`, or the code of the error that the run ended with. */
  readonly ended: string;
  readonly ms: number;
  readonly wrong: string[];
}

/** How often a fault strikes: some calls of a method, from one of them on, or all of them. */
const strikes = (calls: number, lasting: boolean) =>
  fc.record({
    from: fc.integer({ min: 1, max: Math.max(1, calls) }),
    count: fc.constantFrom(1, 2, 3, ...(lasting ? [null] : [])),
  });

const when = fc.record({ when: fc.constantFrom('before', 'after') });
const NOTHING = fc.constant({});

/** What each kind has besides; the kinds of every level of the fault plane. */
const MORE: Record<Rule['kind'], fc.Arbitrary<object>> = {
  latency: fc.record({ ms: fc.integer({ min: 1, max: 300 }) }),
  rate: fc.record({ perSecond: fc.integer({ min: 1, max: 20 }) }),
  quota: fc.record({
    when: fc.constantFrom('before', 'after'),
    retryAfterSeconds: fc.constantFrom(undefined, 0.2, 1),
  }),
  internal: when,
  unavailable: when,
  denied: NOTHING,
  'expired-token': NOTHING,
  drop: when,
  half: NOTHING,
  kill: when,
  'corrupt-crc32c': NOTHING,
  'corrupt-bytes': NOTHING,
  'key-disabled': NOTHING,
  'key-destroyed': NOTHING,
  'job-error': fc.record({
    reason: fc.constantFrom('rateLimitExceeded', 'backendError', 'internalError', 'quotaExceeded'),
  }),
  'job-stuck': NOTHING,
  'streaming-buffer': fc.constant({ table: 'users' }),
  'batch-failed': when,
  'batch-cancelled': when,
  'batch-stuck': fc.record({ state: fc.constantFrom('PENDING', 'RUNNING') }),
  'batch-silent': NOTHING,
};
export const KINDS = Object.keys(MORE) as Rule['kind'][];
const SERVICE = { kms: 'kms', job: 'bigquery', batch: 'dataproc' } as const;

/** Rules of a kind that strike a run of this engine. */
function ruleOf(kind: Rule['kind'], methods: readonly Called[], lasting: boolean): fc.Arbitrary<object> {
  const level = levelOf(kind);
  if (level === 'call')
    return fc
      .constantFrom(...methods)
      .chain(({ service, method, calls }) =>
        fc
          .tuple(strikes(calls, lasting), MORE[kind])
          .map(([some, more]) => given({ kind, service, method, ...some, ...more })),
      );
  const service = SERVICE[level];
  const made = { kms: 3, job: 15, batch: 1 }[level];
  return fc
    .tuple(strikes(made, lasting), MORE[kind])
    .map(([some, more]) => given({ kind, service, ...some, ...more }));
}

const given = (rule: object): object =>
  Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined));

/** Whether a fault of this kind can strike a run of this engine: some need a batch. */
const strikesAt = (kind: Rule['kind'], engine: EngineName): boolean =>
  engine === 'dataproc' || levelOf(kind) !== 'batch';

/** A run under a fault of this kind, by the first of the engines that it can strike. */
export function alone(
  kind: Rule['kind'],
  undisturbed: Undisturbed,
  lasting = false,
): fc.Arbitrary<FaultCase> {
  const struck = [...undisturbed].find(([engine]) => strikesAt(kind, engine));
  if (struck === undefined) throw new RangeError(`${kind} strikes none of these engines`);
  const [engine, { methods }] = struck;
  return ruleOf(kind, methods, lasting).map((rule) => ({ engine, rules: [rule] }));
}

/** A run under one or two faults of any kinds. */
export const anyCase = (undisturbed: Undisturbed, lasting = false): fc.Arbitrary<FaultCase> =>
  fc.constantFrom(...undisturbed).chain(([engine, { methods }]) => {
    const kinds = KINDS.filter((kind) => strikesAt(kind, engine));
    const rule = fc.constantFrom(...kinds).chain((kind) => ruleOf(kind, methods, lasting));
    return fc.array(rule, { minLength: 1, maxLength: 2 }).map((rules) => ({ engine, rules }));
  });

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
  if (!ofKms || engine === 'dataproc' || ended === 'succeeded' || ended.startsWith('kms-')) return [];
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
