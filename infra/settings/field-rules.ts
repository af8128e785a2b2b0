import { clashingColumns, repeated, tokenColumn, withColumns } from '../../jobs/contract/fields.ts';
import { unreadableColumn } from '../../jobs/contract/sql/open-values.ts';
import { type Rule, type Violation, wrong } from './rule.ts';

/** Names that nothing else may have: BigQuery tells columns apart without regard to case. */
const among = (names: readonly string[], taken: readonly string[]): string[] => {
  const lower = names.map((name) => name.toLowerCase());
  return taken.filter((name) => lower.includes(name.toLowerCase()));
};

const unless = (found: readonly string[], message: (names: string) => string): Violation[] =>
  found.length === 0 ? [] : wrong('fields', message(found.join(', ')));

/**
 * Fields and their columns. The name of a field is a column, too: of the read view and of `reseal read`.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#case_sensitivity
 */
export const fieldRules: Rule[] = [
  {
    reads: ['fields', 'idColumn'],
    judge: ({ fields, idColumn }) => {
      const names = fields.map((field) => field.name);
      const twice = repeated(names);
      if (twice.length > 0) return wrong('fields', `must not name a field twice: ${twice.join(', ')}`);
      return unless(
        clashingColumns(idColumn, withColumns(fields)),
        (clashes) => `must not use a column for two things: ${clashes}`,
      );
    },
  },
  {
    reads: ['fields', 'idColumn'],
    judge: ({ fields, idColumn }) => {
      const names = fields.map((field) => field.name);
      const read = unless(
        among(['id'], names),
        (name) => `must not name a field ${name}: that is what the ids are read as`,
      );
      return read.length > 0
        ? read
        : unless(
            among([idColumn], names),
            (name) => `must not name a field ${name}: that is reseal:idColumn`,
          );
    },
  },
  {
    reads: ['fields'],
    judge: ({ fields }) =>
      unless(
        among(
          fields.map((field) => field.name),
          fields.map(unreadableColumn),
        ),
        (taken) =>
          `must not name a field ${taken}: whoever reads values finds there whether one does not open`,
      ),
  },
  {
    reads: ['fields', 'keying'],
    judge: ({ fields, keying }) =>
      keying === 'deterministic'
        ? unless(
            among(['id', ...fields.map(({ name }) => name)], fields.map(tokenColumn)),
            (taken) => `must not name a field ${taken}: the read view has that column for a token`,
          )
        : [],
  },
];
