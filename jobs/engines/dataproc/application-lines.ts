import { z } from 'zod';
import type { StageProgress } from '../engine.ts';

/**
 * The application's own lines in the driver's output: JSON objects with a `reseal` member, among whatever
 * Spark prints. docs/spark.md lists them.
 */
const lineSchema = z.discriminatedUnion('reseal', [
  z.object({
    reseal: z.literal('progress'),
    phase: z.string(),
    rows: z.number().optional(),
    deks: z.number().optional(),
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

export function lineProgress(line: Extract<Line, { reseal: 'progress' }>): StageProgress {
  return {
    ...(line.rows === undefined ? {} : { rows: line.rows }),
    ...(line.deks === undefined ? {} : { deks: line.deks }),
  };
}
