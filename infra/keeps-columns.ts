import * as pulumi from '@pulumi/pulumi';
import { userError } from './user-error.ts';

/**
 * What an update of a table would take from it: columns that the state has and the program has no longer.
 *
 * @param before schema of the state, JSON: an array of objects with a `name`
 * @param after schema of the program, likewise
 */
export function droppedColumns(before: string, after: string): string[] {
  const kept = new Set(namesOf(after).map((name) => name.toLowerCase()));
  return namesOf(before).filter((name) => !kept.has(name.toLowerCase()));
}

const namesOf = (schema: string): string[] =>
  (JSON.parse(schema) as { name: string }[]).map(({ name }) => name);

/**
 * Refuses an update, and its preview, that would drop columns: the provider does that in place by `ALTER TABLE …
 * DROP COLUMN`, whatever protects the table, and the values of a field that the settings name no longer would go.
 *
 * @throws RunError naming the columns
 */
export function keepColumns({ oldOutputs, newInputs }: pulumi.ResourceHookArgs): void {
  const before = oldOutputs?.schema;
  const after = newInputs?.schema;
  if (typeof before !== 'string' || typeof after !== 'string') return;
  const dropped = droppedColumns(before, after);
  if (dropped.length === 0) return;
  throw userError(
    `this update would drop ${dropped.join(', ')} of ${newInputs?.tableId}, with all that these columns hold: ` +
      'leave their field in reseal:fields (docs/stacks.md, "A field that is not needed any more")',
  );
}

/** The hook that the engine calls with it. https://www.pulumi.com/docs/iac/concepts/resources/options/hooks/ */
export const keepsColumns = (): pulumi.ResourceHook =>
  new pulumi.ResourceHook('keeps-columns', keepColumns, { onDryRun: true });
