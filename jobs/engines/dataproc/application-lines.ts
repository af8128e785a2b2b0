import { z } from 'zod';

/**
 * The application's own lines in the driver's output: JSON objects with a `reseal` member, among whatever
 * Spark prints. docs/spark.md lists them.
 */
const lineSchema = z.discriminatedUnion('reseal', [
  z.object({
    reseal: z.literal('progress'),
    phase: z.enum(['read', 'unwrap', 'seal']),
    rows: z.number(),
    deks: z.number(),
  }),
  z.object({ reseal: z.literal('counts'), kms_calls: z.number() }),
  z.object({ reseal: z.literal('error'), code: z.string(), message: z.string() }),
]);
type Line = z.infer<typeof lineSchema>;

/** The line's object, or null for a line of Spark's. */
export function applicationLine(line: string): Line | null {
  if (!line.startsWith('{"reseal"')) return null;
  try {
    return lineSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

/** What the application is at, in words: it says what it has found before each phase, and not how far one is. */
export function phaseOf({ phase, rows, deks }: Extract<Line, { reseal: 'progress' }>): string {
  if (phase === 'seal') return `sealing ${rows} values`;
  if (phase === 'unwrap') return `unwrapping ${deks} data keys`;
  return rows ? `read ${rows} values under ${deks} data keys` : 'reading';
}
