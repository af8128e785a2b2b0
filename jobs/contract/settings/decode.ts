import { parse } from 'yaml';
import type { z } from 'zod';

/**
 * A setting as a stack's configuration means it. The engine and `pulumi config` hand every value over as text: that is
 * taken as it is where the schema takes text, else for what it says as YAML, of which JSON is a part. A stack's file has
 * lists and maps as they are.
 *
 * @example
 * decodeSetting(runSettings.fields, '[{name: email}]').data; // [{ name: 'email' }]
 */
export function decodeSetting<T extends z.ZodType>(
  schema: T,
  value: unknown,
): z.ZodSafeParseResult<z.output<T>> {
  const asItIs = schema.safeParse(value);
  if (asItIs.success || typeof value !== 'string') return asItIs;
  try {
    return schema.safeParse(parse(value));
  } catch {
    return asItIs;
  }
}
