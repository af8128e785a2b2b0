import { clashingColumns, type FieldSetting, repeated, tokenColumn, withColumns } from './fields.ts';
import type { Keying } from './settings/choices.ts';
import { unreadableColumn } from './sql/open-values.ts';

/** The settings that the names of fields are judged by. */
export interface NamingSettings {
  readonly fields: FieldSetting[];
  readonly idColumn: string;
  readonly keying: Keying;
}

/** What names of fields have to keep to, each part of it judged by the settings that it reads alone. */
export interface NamingRule {
  readonly reads: readonly (keyof NamingSettings)[];
  /** What is wrong, as it follows `reseal:fields`; null for names that keep to the rule. */
  fault(settings: NamingSettings): string | null;
}

/** Names that nothing else may have: BigQuery tells columns apart without regard to case. */
const among = (names: readonly string[], taken: readonly string[]): string[] => {
  const lower = names.map((name) => name.toLowerCase());
  return taken.filter((name) => lower.includes(name.toLowerCase()));
};

const unless = (found: readonly string[], message: (names: string) => string): string | null =>
  found.length === 0 ? null : message(found.join(', '));

/**
 * The rules that the program and `reseal init` judge fields and their columns by. The name of a field is a column, too:
 * of the read view and of `reseal read`.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#case_sensitivity
 *
 * @example
 * NAMING_RULES.flatMap((rule) => rule.fault({ fields: [{ name: 'id' }], idColumn: 'no', keying: 'row' }) ?? []);
 * // ['must not name a field id: that is what the ids are read as']
 */
export const NAMING_RULES: readonly NamingRule[] = [
  {
    reads: ['fields', 'idColumn'],
    fault: ({ fields, idColumn }) =>
      unless(repeated(fields.map(({ name }) => name)), (twice) => `must not name a field twice: ${twice}`) ??
      unless(
        clashingColumns(idColumn, withColumns(fields)),
        (clashes) => `must not use a column for two things: ${clashes}`,
      ),
  },
  {
    reads: ['fields', 'idColumn'],
    fault: ({ fields, idColumn }) => {
      const names = fields.map(({ name }) => name);
      return (
        unless(
          among(['id'], names),
          (name) => `must not name a field ${name}: that is what the ids are read as`,
        ) ??
        unless(among([idColumn], names), (name) => `must not name a field ${name}: that is reseal:idColumn`)
      );
    },
  },
  {
    reads: ['fields'],
    fault: ({ fields }) =>
      unless(
        among(
          fields.map(({ name }) => name),
          fields.map(unreadableColumn),
        ),
        (taken) =>
          `must not name a field ${taken}: whoever reads values finds there whether one does not open`,
      ),
  },
  {
    reads: ['fields', 'keying'],
    fault: ({ fields, keying }) =>
      keying === 'deterministic'
        ? unless(
            among(['id', ...fields.map(({ name }) => name)], fields.map(tokenColumn)),
            (taken) => `must not name a field ${taken}: the read view has that column for a token`,
          )
        : null,
  },
];
