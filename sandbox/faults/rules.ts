import { z } from 'zod';
import { ResealError } from '../../jobs/contract/errors.ts';
import { METHOD_NAMES, SERVICES } from './methods.ts';

/** The second in which a rule's dice are thrown without a seed of their own. */
const DEFAULT_SEED = 1;

/** Which calls a rule is for. */
const calls = {
  /** Google's name of the method, its last two parts: `jobs.insert`. Any method of the service unless given. */
  method: z.string().optional(),
  /** Whose calls, as bindings name a member; unless given, everybody's but the project owner's. */
  member: z.string().optional(),
  /** The first call that is hit, counted from when the rule was set. */
  from: z.int().min(1).default(1),
  /** How many calls are hit; null for no bound. */
  count: z.int().min(1).nullable().optional(),
  /** Of the calls, which are then chosen by a seeded dice. */
  share: z.number().gt(0).max(1).optional(),
  seed: z.int().min(0).default(DEFAULT_SEED),
};
/** Whether the call's work is done all the same. */
const when = { when: z.enum(['before', 'after']).default('before') };
const retryAfterSeconds = z.number().min(0).optional();

const any = { ...calls, service: z.enum(SERVICES) };
const kms = {
  ...calls,
  service: z.literal('kms'),
  method: z.enum(['cryptoKeys.encrypt', 'cryptoKeys.decrypt']).default('cryptoKeys.decrypt'),
};
const job = {
  ...calls,
  service: z.literal('bigquery'),
  method: z.literal('jobs.insert').default('jobs.insert'),
  /** Load jobs only, or query jobs only. */
  of: z.enum(['query', 'load']).optional(),
  /** Only jobs whose SQL has this text. */
  sql: z.string().optional(),
};
const batch = {
  ...calls,
  service: z.literal('dataproc'),
  method: z.literal('batches.create').default('batches.create'),
};
const execution = {
  ...calls,
  service: z.literal('run'),
  method: z.literal('jobs.run').default('jobs.run'),
};

const CALL_RULES = [
  z.strictObject({ kind: z.literal('latency'), ...any, ms: z.number().min(0) }),
  z.strictObject({ kind: z.literal('rate'), ...any, perSecond: z.number().min(0), retryAfterSeconds }),
  z.strictObject({ kind: z.literal('quota'), ...any, ...when, retryAfterSeconds }),
  z.strictObject({ kind: z.literal('internal'), ...any, ...when }),
  z.strictObject({ kind: z.literal('unavailable'), ...any, ...when }),
  z.strictObject({ kind: z.literal('denied'), ...any }),
  z.strictObject({ kind: z.literal('expired-token'), ...any }),
  z.strictObject({ kind: z.literal('drop'), ...any, ...when }),
  z.strictObject({ kind: z.literal('half'), ...any }),
  z.strictObject({ kind: z.literal('kill'), ...any, ...when }),
] as const;
const KMS_RULES = [
  z.strictObject({ kind: z.literal('corrupt-crc32c'), ...kms }),
  z.strictObject({ kind: z.literal('corrupt-bytes'), ...kms }),
  z.strictObject({ kind: z.literal('key-disabled'), ...kms }),
  z.strictObject({ kind: z.literal('key-destroy-scheduled'), ...kms }),
] as const;
const JOB_RULES = [
  z.strictObject({
    kind: z.literal('job-error'),
    ...job,
    reason: z.enum(['rateLimitExceeded', 'backendError', 'internalError', 'quotaExceeded']),
  }),
  z.strictObject({ kind: z.literal('job-stuck'), ...job }),
  z.strictObject({ kind: z.literal('streaming-buffer'), ...job, table: z.string() }),
] as const;
const BATCH_RULES = [
  z.strictObject({ kind: z.literal('batch-failed'), ...batch, ...when, output: z.string().default('') }),
  z.strictObject({ kind: z.literal('batch-cancelled'), ...batch, ...when }),
  z.strictObject({ kind: z.literal('batch-stuck'), ...batch, state: z.enum(['PENDING', 'RUNNING']) }),
  z.strictObject({ kind: z.literal('batch-silent'), ...batch }),
] as const;
const EXECUTION_RULES = [
  z.strictObject({ kind: z.literal('execution-without-image'), ...execution }),
  z.strictObject({
    kind: z.literal('execution-killed'),
    ...execution,
    /** Once it has printed a line with this text; once it has begun unless given. */
    output: z.string().default(''),
    /** So long after that. */
    ms: z.number().min(0).default(0),
  }),
] as const;

const kindsOf = (rules: readonly { shape: { kind: { value: string } } }[]): string[] =>
  rules.map(({ shape }) => shape.kind.value);
/** What a rule is held against: every call of a method, or what a call of one asks for. */
const LEVELS = {
  call: kindsOf(CALL_RULES),
  kms: kindsOf(KMS_RULES),
  job: kindsOf(JOB_RULES),
  batch: kindsOf(BATCH_RULES),
  execution: kindsOf(EXECUTION_RULES),
} as const;
export type Level = keyof typeof LEVELS;
export const levelOf = (kind: Rule['kind']): Level =>
  (Object.keys(LEVELS) as Level[]).find((level) => LEVELS[level].includes(kind)) ?? 'call';

const ruleSchema = z.discriminatedUnion(
  'kind',
  [...CALL_RULES, ...KMS_RULES, ...JOB_RULES, ...BATCH_RULES, ...EXECUTION_RULES],
  {
    error: ({ code }) =>
      code === 'invalid_union' ? `must be one of ${Object.values(LEVELS).flat().join(', ')}` : undefined,
  },
);
const fileSchema = z.strictObject({ rules: z.array(ruleSchema) });

/** One thing that goes wrong, and with which calls. docs/sandbox.md has an example of each. */
export type Rule = z.infer<typeof ruleSchema>;
export type RuleOf<L extends Level> = Extract<
  Rule,
  {
    kind: z.infer<
      | (L extends 'call' ? (typeof CALL_RULES)[number] : never)
      | (L extends 'kms' ? (typeof KMS_RULES)[number] : never)
      | (L extends 'job' ? (typeof JOB_RULES)[number] : never)
      | (L extends 'batch' ? (typeof BATCH_RULES)[number] : never)
      | (L extends 'execution' ? (typeof EXECUTION_RULES)[number] : never)
    >['kind'];
  }
>;

/**
 * Reads `{rules: […]}`.
 *
 * @throws ResealError `faults-rule` naming the property that is wrong
 */
export function parseRules(input: unknown): Rule[] {
  const parsed = fileSchema.safeParse(input);
  if (!parsed.success) {
    const said = parsed.error.issues.map(({ path, message }) => `${z.core.toDotPath(path)}: ${message}`);
    throw wrong(said.join('; '));
  }
  for (const [index, { service, method }] of parsed.data.rules.entries()) {
    const known = METHOD_NAMES[service];
    if (method !== undefined && !known.includes(method))
      throw wrong(`rules[${index}].method: ${service} has ${known.join(', ')}`);
  }
  return parsed.data.rules;
}

const wrong = (said: string): ResealError =>
  new ResealError('faults-rule', said, { hint: 'docs/sandbox.md, "Faults", lists the rules' });
