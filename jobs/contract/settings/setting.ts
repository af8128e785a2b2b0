import type { z } from 'zod';

/** What docs/settings.md and the messages say of a setting beside its schema. */
export interface SettingNotes {
  /** One sentence: what it decides. */
  description: string;
  /** A right value, as it stands in a stack's file. */
  example: string;
  /** What holds when it is absent and no constant says it, for example `<project>-reseal-<stack>`. */
  absent?: string;
  /** The variable of the Composer DAG that this setting replaces. */
  seed?: string;
}

/**
 * A schema with its notes; the notes are what `notesOf` gives back.
 *
 * @example
 * setting(z.boolean().default(false), { description: 'Whether …', example: 'false' });
 */
export function setting<T extends z.ZodType>(schema: T, notes: SettingNotes): T {
  return schema.meta({ ...notes });
}

/**
 * What `setting` was given for a schema.
 *
 * @example
 * notesOf(runSettings.keying).example; // 'row'
 */
export function notesOf(schema: z.ZodType): SettingNotes {
  const { description = '', example, absent, seed } = schema.meta() ?? {};
  return {
    description,
    example: typeof example === 'string' ? example : '',
    ...(typeof absent === 'string' && { absent }),
    ...(typeof seed === 'string' && { seed }),
  };
}
