import type { Deployment } from '../deployment.ts';
import { everyPartition, RANGES } from './partitions.ts';
import { clearable, staged } from './source-changes.ts';
import { quoted, table } from './statement.ts';

/**
 * Declares the variables of `withinRanges`, of the column's own type, which only the table knows: the query reads the
 * rows without a partition and finds nothing in them.
 *
 * @example
 * `${declareRanges(deployment)}BEGIN TRANSACTION;`;
 */
export function declareRanges(d: Deployment): string {
  if (d.partitionColumn === null) return '';
  const column = quoted(d.partitionColumn);
  const names = Object.values(RANGES).flat().join(', ');
  return `DECLARE ${names} DEFAULT (SELECT MIN(${column}) FROM ${table(d, 'source')} WHERE ${column} IS NULL);\n`;
}

/**
 * What the script selects to find the partitions that a merge changes: of rows that have staged ones, which goes by ids,
 * so that a row counts whatever became of its value; and of rows that have something to clear. None without a partition
 * column.
 *
 * @example
 * rangeQueries(deployment).map((query) => `SELECT ${query}`);
 */
export function rangeQueries(d: Deployment): string[] {
  if (d.partitionColumn === null) return [];
  const column = quoted(d.partitionColumn);
  return [
    `${quoted(d.idColumn)} IN (SELECT id FROM ${staged(d)})`,
    `(${d.fields.map((field) => clearable(d, field)).join(' OR ')})`,
  ].map(
    (condition) =>
      `MIN(${column}), MAX(${column}) FROM ${table(d, 'source')}\n  WHERE ${everyPartition(d)}${condition}`,
  );
}

/**
 * Looks those partitions up as the table is in the merge's transaction: a row that moved to another one since it was
 * selected is found where it is now. A range of rows without a partition alone is NULL, and no row is in it.
 *
 * @example
 * `${findRanges(deployment)}MERGE …`;
 */
export function findRanges(d: Deployment): string {
  const [ofStaged, ofCleared] = rangeQueries(d);
  if (ofStaged === undefined || ofCleared === undefined) return '';
  const set = (names: readonly string[], query: string): string =>
    `SET (${names.join(', ')}) = (\n  SELECT AS STRUCT ${query}\n);\n`;
  return set(RANGES.staged, ofStaged) + set(RANGES.cleared, ofCleared);
}
