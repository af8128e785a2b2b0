import fc from 'fast-check';
import type { EngineName } from '../../jobs/contract/settings/choices.ts';
import { type Level, levelOf, type Rule, type RuleOf } from '../../sandbox/faults/rules.ts';
import type { Called, Calm } from './calm.ts';

/** Runs that nothing befell, of the engines that faults are to strike. */
export type Undisturbed = ReadonlyMap<EngineName, Calm>;

/** A run under faults. */
export interface FaultCase {
  readonly engine: EngineName;
  readonly rules: readonly object[];
}

/** How often a fault strikes: some calls of a method, from one of them on, or all of them. */
const strikes = (calls: number, lasting: boolean) =>
  fc.record({
    from: fc.integer({ min: 1, max: Math.max(1, calls) }),
    count: fc.constantFrom(1, 2, 3, ...(lasting ? [null] : [])),
  });

const when = fc.record({ when: fc.constantFrom('before', 'after') });
const NOTHING = fc.constant({});

/** Faults that can strike a run that is started by hand: executions of Cloud Run are the workflow's. */
type Kind = Exclude<Rule['kind'], RuleOf<'execution'>['kind']>;

/** What each kind has besides. */
const MORE: Record<Kind, fc.Arbitrary<object>> = {
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
  'key-destroy-scheduled': NOTHING,
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
export const KINDS = Object.keys(MORE) as Kind[];

/** What faults above the level of calls strike: uses of keys, jobs, batches, each counted by the calls of a method. */
const STRUCK = {
  kms: { service: 'kms', made: 'cryptoKeys.decrypt' },
  job: { service: 'bigquery', made: 'jobs.insert' },
  batch: { service: 'dataproc', made: 'batches.create' },
} as const;

/** Rules of a kind that strike a run of this engine. */
function ruleOf(kind: Kind, methods: readonly Called[], lasting: boolean): fc.Arbitrary<object> {
  const level = levelOf(kind) as Exclude<Level, 'execution'>;
  if (level === 'call')
    return fc
      .constantFrom(...methods)
      .chain(({ service, method, calls }) =>
        fc
          .tuple(strikes(calls, lasting), MORE[kind])
          .map(([some, more]) => given({ kind, service, method, ...some, ...more })),
      );
  const { service, made } = STRUCK[level];
  const calls = methods.find(({ method }) => method === made)?.calls ?? 0;
  return fc
    .tuple(strikes(calls, lasting), MORE[kind])
    .map(([some, more]) => given({ kind, service, ...some, ...more }));
}

const given = (rule: object): object =>
  Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined));

/** Whether a fault of this kind can strike a run of this engine: some need a batch. */
const strikesAt = (kind: Kind, engine: EngineName): boolean =>
  engine === 'dataproc' || levelOf(kind) !== 'batch';

/** A run under a fault of this kind, by the first of the engines that it can strike. */
export function alone(kind: Kind, undisturbed: Undisturbed, lasting = false): fc.Arbitrary<FaultCase> {
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
