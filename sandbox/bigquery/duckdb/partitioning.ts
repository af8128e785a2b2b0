import { objectOr, text } from '../../http/router.ts';
import type { Table } from './catalog.ts';
import type { PartitionFilter } from './partition-filter.ts';

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
