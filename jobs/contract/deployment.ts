import { z } from 'zod';
import { ResealError } from './errors.ts';

/**
 * What the job knows of a stack: the outputs of the Pulumi program, read back with `pulumi stack output`
 * or, in the sandbox, from the same program run under mocks. index.ts exports exactly these names.
 */

export const SOURCE_FORMATS = ['gcm', 'dotted', 'tink', 'tink-envelope'] as const;
export const KEYINGS = ['row', 'shared'] as const;
export const ENGINES = ['direct', 'dataproc'] as const;

export type SourceFormat = (typeof SOURCE_FORMATS)[number];
export type Keying = (typeof KEYINGS)[number];
export type EngineName = (typeof ENGINES)[number];

/** The columns of the source table that belong to one value of a row (the e-mail address, say). */
export const fieldSchema = z.object({
  name: z.string(),
  cipherText: z.string(),
  dek: z.string(),
  plaintext: z.string(),
  key: z.string(),
  sealed: z.string(),
  resealedAt: z.string(),
  resealedFrom: z.string(),
});
export type Field = z.infer<typeof fieldSchema>;

/** What the batch needs that is not the run's own; see batch.ts for what becomes of it. */
export const batchSettingsSchema = z.object({
  runtimeVersion: z.string(),
  serviceAccount: z.string(),
  subnetwork: z.string(),
  /** gs:// URI of the PySpark entry point and of the archive beside it; null until the bundle is made. */
  application: z.object({ main: z.string(), package: z.string(), wheels: z.string() }).nullable(),
  /** A jar of the user's own in place of the built-in application. */
  jarFile: z.string().nullable(),
  mainClass: z.string().nullable(),
  maxExecutors: z.number().int(),
  ttlSeconds: z.number().int(),
  /** Upper bound of KMS Decrypt calls a second for the whole batch. */
  kmsCallsPerSecond: z.number().int(),
  labels: z.record(z.string(), z.string()),
});

export const deploymentSchema = z.object({
  stack: z.string(),
  project: z.string(),
  location: z.string(),
  bucket: z.string(),
  tempFolder: z.string(),
  dataset: z.string(),
  /** Table ids inside the dataset. */
  tables: z.object({
    source: z.string(),
    staging: z.string(),
    rejected: z.string(),
    keysets: z.string(),
    runs: z.string(),
  }),
  /** Routine id of the stored procedure that reads users back. */
  readProcedure: z.string(),
  idColumn: z.string(),
  fields: z.array(fieldSchema).min(1),
  sourceFormat: z.enum(SOURCE_FORMATS),
  keying: z.enum(KEYINGS),
  storePlaintext: z.boolean(),
  readLimitRows: z.number().int().positive().nullable(),
  /** CryptoKey resource names: projects/…/locations/…/keyRings/…/cryptoKeys/… */
  sourceKek: z.string(),
  bigqueryKek: z.string(),
  /** Engines this stack allows; `auto` takes direct, where allowed, up to directMaxRows selected rows. */
  engines: z.array(z.enum(ENGINES)).min(1),
  directMaxRows: z.number().int(),
  /** At most so many staged rows are decrypted by BigQuery before the merge. */
  verifyRows: z.number().int(),
  batch: batchSettingsSchema,
  /** Resource name of the deployed Cloud Workflows definition; null where the stack deploys none. */
  workflow: z.string().nullable(),
});
export type Deployment = z.infer<typeof deploymentSchema>;

/**
 * Reads a stack's outputs. Outputs of an older program fail here, with every missing name at once,
 * instead of half-way through a run.
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
    {
      hint: 'run `pulumi up` with this version of the program, then try again',
    },
  );
}
