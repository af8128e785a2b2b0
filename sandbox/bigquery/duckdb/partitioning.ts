import type { DuckDBConnection } from '@duckdb/node-api';
import { invalidQuery } from '../../errors/google-error.ts';
import { objectOr, text } from '../../http/router.ts';
import { type Table, tableSql } from './catalog.ts';
import { rows } from './engine.ts';
import type { PartitionFilter } from './partition-filter.ts';
import { quote } from './types.ts';

/**
 * What a table asks of whoever reads it; undefined without `require_partition_filter`.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#Table
 */
export function requiredFilter(
  project: string,
  { dataset, id, body, schema }: Table,
): PartitionFilter | undefined {
  const time = objectOr(body.timePartitioning);
  if (body.requirePartitionFilter !== true && time.requirePartitionFilter !== true) return undefined;
  return {
    table: `${project}.${dataset}.${id}`,
    column: text(time.field) ?? text(objectOr(body.rangePartitioning).field) ?? '_PARTITIONTIME',
    columns: new Set(schema.map(({ name }) => name.toLowerCase())),
  };
}

/** https://cloud.google.com/bigquery/quotas#partitioned_tables: partitions that a job may modify, DML included. */
const MOST_MODIFIED = 4_000;

/**
 * What tells the partitions of a table apart, in DuckDB's SQL; undefined where it has none. Of partitions by ingestion
 * time the sandbox keeps no account.
 */
export function partitionSql({ body }: Table, alias?: string): string | undefined {
  const prefix = alias === undefined ? '' : `${quote(alias)}.`;
  const { field: byTime, type } = objectOr(body.timePartitioning);
  if (byTime !== undefined) {
    const unit = (text(type) ?? 'DAY').toLowerCase();
    return `ifnull(CAST(date_trunc('${unit}', ${prefix}${quote(String(byTime))}) AS VARCHAR), '')`;
  }
  const { field, range } = objectOr(body.rangePartitioning);
  if (field === undefined) return undefined;
  const [start, end, interval] = ['start', 'end', 'interval'].map((name) =>
    BigInt(String(objectOr(range)[name])),
  );
  const column = prefix + quote(String(field));
  return `CASE WHEN ${column} >= ${start} AND ${column} < ${end} THEN (${column} - ${start}) // ${interval} ELSE -1 END`;
}

/** How many partitions a table has; undefined for one without any, one for all that is partitioned by ingestion time. */
export async function partitionCount(
  connection: DuckDBConnection,
  table: Table,
): Promise<number | undefined> {
  const partition = partitionSql(table);
  if (partition === undefined) return table.body.timePartitioning === undefined ? undefined : 1;
  const [[count] = []] = await rows(
    connection,
    `SELECT count(DISTINCT ${partition}) FROM ${tableSql(table)}`,
  );
  return Number(count);
}

/** @throws GoogleError where a statement has modified rows in more partitions than one may */
export function checkModified(partitions: number): void {
  if (partitions > MOST_MODIFIED)
    throw invalidQuery(
      `Too many partitions produced by query, allowed ${MOST_MODIFIED}, query produces at least ${partitions} partitions`,
    );
}
