import type { z } from 'zod';

/**
 * What a schema has against a value, as the end of a sentence that begins with the value's name; null for nothing.
 *
 * @example
 * faultOf(identifier, 'e mail'); // 'must be letters, digits and underscores, not starting with a digit'
 */
export const faultOf = (schema: z.ZodType, value: unknown): string | null =>
  schema
    .safeParse(value)
    .error?.issues.map(({ message }) => message)
    .join('; ') ?? null;
