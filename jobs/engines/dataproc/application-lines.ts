import { z } from 'zod';
import type { StageProgress } from '../engine.ts';

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
  z.object({
    reseal: z.literal('live'),
    phase: z.enum(['unwrap', 'seal']),
    done: z.number(),
    of: z.number(),
    a_second: z.number(),
  }),
  z.object({ reseal: z.literal('counts'), kms_calls: z.number() }),
  z.object({ reseal: z.literal('error'), code: z.string(), message: z.string() }),
]);
type Line = z.infer<typeof lineSchema>;
type Live = Extract<Line, { reseal: 'live' }>;

/** What the application has said of itself so far. */
export interface Said {
  kmsCalls: number | null;
  phase: string;
  /** How far the phase is; null while that is not known. */
  advance: StageProgress | null;
  error: { readonly code: string; readonly message: string } | null;
}

/** The line's object, or null for a line of Spark's, or of another version of the application. */
export function applicationLine(line: string): Line | null {
  if (!line.startsWith('{"reseal"')) return null;
  try {
    return lineSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

/** How far the phase is: an application from before such lines says none, and its phase alone is shown. */
export const advanceOf = ({ phase, done, a_second }: Live): StageProgress =>
  phase === 'seal' ? { rows: done, rowsASecond: a_second } : { rows: 0, deks: done, deksASecond: a_second };

/** Whether all values are sealed or rejected: a load job takes them to the staging table, which counts nothing. */
export const isSealed = ({ phase, done, of }: Live): boolean => phase === 'seal' && done >= of;

/** What the application is at, in words: it says what it has found before each phase. */
export function phaseOf({ phase, rows, deks }: Extract<Line, { reseal: 'progress' }>): string {
  if (phase === 'seal') return `sealing ${rows} values`;
  if (phase === 'unwrap') return `unwrapping ${deks} data keys`;
  return rows ? `read ${rows} values under ${deks} data keys` : 'reading';
}
