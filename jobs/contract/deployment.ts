import { z } from 'zod';
import { ResealError } from './errors.ts';
import { fieldSchema } from './fields.ts';
import { batchSettings } from './settings/batch-settings.ts';
import { type SourceFormat, UNAUTHENTICATED, type Unauthenticated } from './settings/choices.ts';
import { runSettings } from './settings/run-settings.ts';
import { TABLE_NAMES, type TableName } from './settings/table-settings.ts';
import { isProduction } from './stack-name.ts';

/**
 * What the job knows of a stack: the outputs of the Pulumi program, read back with `pulumi stack output` or, in
 * the sandbox, from the same program run under mocks. This schema is the one list of them: infra/outputs.ts
 * fills it and index.ts exports what it made.
 */

/** A setting as an output: its default has been decided, and what is absent is null, which JSON can carry. */
type Decided<T> =
  T extends z.ZodOptional<infer Inner extends z.ZodType>
    ? z.ZodNullable<Inner>
    : T extends z.ZodDefault<infer Inner>
      ? Inner
      : T;

function decided<S extends Readonly<Record<string, z.ZodType>>>(
  settings: S,
): { [K in keyof S]: Decided<S[K]> } {
  const output = (schema: z.ZodType): z.ZodType => {
    if (schema instanceof z.ZodOptional) return (schema.unwrap() as z.ZodType).nullable();
    return schema instanceof z.ZodDefault ? (schema.removeDefault() as z.ZodType) : schema;
  };
  const entries = Object.entries(settings).map(([name, schema]) => [name, output(schema)]);
  return Object.fromEntries(entries) as { [K in keyof S]: Decided<S[K]> };
}

/**
 * The settings of a group with their names, what is absent as null: one half of a stack's outputs.
 *
 * @example
 * settled(runSettings, settings).readLimitRows; // null where the stack sets no limit
 */
export function settled<S extends Readonly<Record<string, z.ZodType>>>(
  group: S,
  settings: { readonly [K in keyof S]?: z.output<S[K]> },
): { [K in keyof S]: Exclude<z.output<S[K]>, undefined> | Extract<z.output<Decided<S[K]>>, null> } {
  return Object.fromEntries(Object.keys(group).map((name) => [name, settings[name] ?? null])) as ReturnType<
    typeof settled<S>
  >;
}

/**
 * The settings of a group where a stack's file sets none of them; one without a default is null.
 *
 * @example
 * defaultsOf(runSettings).keying; // 'row'
 */
export function defaultsOf<S extends Readonly<Record<string, z.ZodType>>>(
  group: S,
): ReturnType<typeof settled<S>> {
  const values = Object.entries(group).map(([name, schema]) => [name, schema.safeParse(undefined).data]);
  return settled(group, Object.fromEntries(values));
}

/**
 * What becomes of values without a tag where the stack's file does not say it: only `dotted` has any.
 *
 * @example
 * unauthenticatedIn('eu-prod', 'dotted'); // 'reject'
 */
export const unauthenticatedIn = (stack: string, format: SourceFormat): Unauthenticated =>
  format === 'dotted' && !isProduction(stack) ? 'accept' : 'reject';

const tables = Object.fromEntries(TABLE_NAMES.map((name) => [name, z.string()])) as Record<
  TableName,
  z.ZodString
>;

export const deploymentSchema = z.object({
  ...decided(runSettings),
  fields: z.array(fieldSchema).min(1),
  unauthenticated: z.enum(UNAUTHENTICATED),
  stack: z.string(),
  bucket: z.string(),
  dataset: z.string(),
  /** Table ids inside the dataset. */
  tables: z.object(tables),
  /** What the source table is partitioned by, as the setting says; null for a table that is not, or of which it does not say. */
  partitionColumn: z.string().nullable(),
  /** The dataset that values are read through, and the id of the stored procedure in it. */
  readDataset: z.string(),
  readProcedure: z.string(),
  /** The view beside it. */
  readView: z.string(),
  /** CryptoKey resource names: projects/…/locations/…/keyRings/…/cryptoKeys/… */
  sourceKek: z.string(),
  bigqueryKek: z.string(),
  /** What the batch needs that is not the run's own; `batchBody` says what becomes of it. */
  batch: z.object({
    ...decided(batchSettings),
    /** E-mail of its account, and its subnetwork; null where the stack has nothing that runs in a batch. */
    serviceAccount: z.string().nullable(),
    subnetwork: z.string().nullable(),
    /** gs:// URIs of the PySpark entry point and of the archives beside it; null until the bundle is made. */
    application: z.object({ main: z.string(), package: z.string(), wheels: z.string() }).nullable(),
  }),
  /** Resource name of the deployed Cloud Workflows definition; null where the stack deploys none. */
  workflow: z.string().nullable(),
  /** Resource name of the job that is deployed to Cloud Run; null where the stack deploys none. */
  cloudRunJob: z.string().nullable(),
});
export type Deployment = z.infer<typeof deploymentSchema>;

/**
 * Reads a stack's outputs. Outputs of an older program fail here, with every missing name at once, instead of
 * half-way through a run.
 *
 * @example
 * const deployment = parseDeployment(await readStackOutputs('dev'));
 *
 * @throws ResealError `stack-outputs`
 */
export function parseDeployment(outputs: unknown): Deployment {
  const parsed = deploymentSchema.safeParse(outputs);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || '(outputs)'}: ${issue.message}`,
  );
  throw new ResealError(
    'stack-outputs',
    `the stack's outputs are not what this job needs:\n  ${wrong.join('\n  ')}`,
    { hint: 'run `pulumi up` with this version of the program, then try again' },
  );
}
