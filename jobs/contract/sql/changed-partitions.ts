import type { Deployment } from '../deployment.ts';
import { INGESTION_TIME, type PartitionedTable } from '../partitioning.ts';
import { everyPartition } from './partitions.ts';
import { rewrappableIds, rewraps } from './rewrap-row-keysets.ts';
import { AS_OF_SNAPSHOT, selectedValues } from './select-values.ts';
import { SELECTION, typed } from './selection.ts';
import { clearable } from './source-changes.ts';
import { quoted, type Statement, statement, table } from './statement.ts';

/** How much of a moment's text tells the partitions of a unit apart: `2026-01-02 03` those of HOUR. */
const PREFIX: Readonly<Record<string, number>> = { HOUR: 13, DAY: 10, MONTH: 7, YEAR: 4 };

/** What tells the partitions of a table apart, by its resource; null where it is not partitioned. */
function partitionOf({
  timePartitioning: time,
  rangePartitioning: byRange,
}: PartitionedTable): string | null {
  if (time !== undefined) {
    const column = time.field === undefined ? INGESTION_TIME : quoted(time.field);
    return `IFNULL(SUBSTR(CAST(${column} AS STRING), 1, ${PREFIX[time.type ?? 'DAY'] ?? PREFIX.HOUR}), '')`;
  }
  if (byRange?.field === undefined || byRange.range === undefined) return null;
  const column = quoted(byRange.field);
  const { start, end, interval } = byRange.range;
  // Whatever is outside is in one partition: https://cloud.google.com/bigquery/docs/partitioned-tables#integer_range
  return `IF(${column} >= ${start} AND ${column} < ${end}, DIV(${column} - ${start}, ${interval}), -1)`;
}

/**
 * In how many partitions of the source table a run would change rows, at the most of its statements: those that write
 * what it takes, and those that clear what must not stand any longer. Null for a table without partitions. What tells
 * partitions apart only the table knows, so that the text is not a stack's but a table's. All is read as of the run's
 * snapshot: BigQuery takes no table at two moments in one statement.
 *
 * @example
 * const hourly = { timePartitioning: { type: 'HOUR', field: 'seen_at' } };
 * await bigquery.query(changedPartitions(d, hourly), selection); // [{ taken: '4380', cleared: '0' }]
 */
export function changedPartitions(
  d: Deployment,
  source: PartitionedTable,
): Statement<keyof typeof SELECTION> | null {
  const partition = partitionOf(source);
  if (partition === null) return null;
  const rewrapped = rewraps(d) ? `\nUNION ALL\nSELECT id, '' AS field FROM (${rewrappableIds(d)})` : '';
  return statement(
    'changed_partitions',
    typed(d, SELECTION),
    `SELECT (
  SELECT IFNULL(MAX(n), 0) FROM (
    SELECT COUNT(DISTINCT u.part) AS n
    FROM (
      SELECT ${quoted(d.idColumn)} AS id, ${partition} AS part FROM ${table(d, 'source')} ${AS_OF_SNAPSHOT}
      WHERE ${everyPartition(d)}TRUE
    ) AS u
    JOIN (SELECT DISTINCT id, field FROM (SELECT id, field FROM (${selectedValues(d)})${rewrapped})) AS s
    ON u.id = s.id
    GROUP BY s.field
  )
) AS taken, (
  SELECT COUNT(DISTINCT ${partition}) FROM ${table(d, 'source')} ${AS_OF_SNAPSHOT}
  WHERE ${everyPartition(d)}(${d.fields.map((field) => clearable(d, field)).join(' OR ')})
) AS cleared`,
  );
}
