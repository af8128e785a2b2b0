import type { Deployment } from './deployment.ts';

/** What a table's resource says of its partitions. https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#Table */
export interface PartitionedTable {
  readonly requirePartitionFilter?: boolean;
  /** Older clients wrote the requirement into it. */
  readonly timePartitioning?: {
    readonly field?: string;
    readonly type?: string;
    readonly requirePartitionFilter?: boolean;
  };
  readonly rangePartitioning?: {
    readonly field?: string;
    readonly range?: { readonly start: string; readonly end: string; readonly interval: string };
  };
  readonly numPartitions?: string;
}

/** Partitions that one job may modify, a statement of a script too: https://cloud.google.com/bigquery/quotas#partitioned_tables */
export const MOST_PARTITIONS = 4_000;

/**
 * Whether a statement may have to modify more partitions than BigQuery lets it; where BigQuery does not say how many
 * there are, it may.
 *
 * @example
 * mayExceed({ timePartitioning: { type: 'HOUR' }, numPartitions: '4001' }); // true
 */
export const mayExceed = ({
  timePartitioning,
  rangePartitioning,
  numPartitions,
}: PartitionedTable): boolean =>
  (timePartitioning !== undefined || rangePartitioning !== undefined) &&
  Number(numPartitions ?? Number.POSITIVE_INFINITY) > MOST_PARTITIONS;

/** The pseudo-column of a table that is partitioned by the time at which rows came. */
export const INGESTION_TIME = '_PARTITIONTIME';

/**
 * How the source table's partitions and the setting `partitionColumn` go together:
 * - `fits`: the table is not partitioned and the setting names nothing, or it names the table's column.
 * - `whole`: a run goes through every partition; what to tell people, and what would spare it.
 * - `fault`: no statement would run, or it would prune by the wrong column.
 */
export type PartitionVerdict =
  | { readonly verdict: 'fits' }
  | { readonly verdict: 'whole' | 'fault'; readonly found: string; readonly remedy: string };

/**
 * Judges the source table by its resource.
 *
 * @example
 * const { verdict } = partitionVerdict(deployment, { timePartitioning: { field: 'created_on' } });
 * verdict; // 'whole' where the stack does not set partitionColumn
 */
export function partitionVerdict(
  { partitionColumn: named, tables: { source } }: Pick<Deployment, 'partitionColumn' | 'tables'>,
  { requirePartitionFilter, timePartitioning: time, rangePartitioning: range }: PartitionedTable,
): PartitionVerdict {
  const column = time?.field ?? range?.field ?? (time === undefined ? null : INGESTION_TIME);
  const required = requirePartitionFilter ?? time?.requirePartitionFilter ?? false;
  if (column === named) return { verdict: 'fits' };
  if (column === null)
    return {
      verdict: 'fault',
      found: `${source} is not partitioned, but reseal:partitionColumn is ${named}`,
      remedy: 'remove reseal:partitionColumn, `pulumi up`',
    };
  const byIngestion = column === INGESTION_TIME;
  if (named !== null)
    return {
      verdict: 'fault',
      found: `${source} is partitioned by ${column}, but reseal:partitionColumn is ${named}`,
      remedy: byIngestion
        ? 'remove reseal:partitionColumn, which takes no partitions by ingestion time, `pulumi up`'
        : `set reseal:partitionColumn to ${column}, \`pulumi up\``,
    };
  if (required)
    return {
      verdict: 'fault',
      found: `${source} is partitioned by ${column} and takes no query without a filter on it (require_partition_filter)`,
      remedy: byIngestion
        ? `ALTER TABLE ${source} SET OPTIONS (require_partition_filter = FALSE): reseal:partitionColumn takes no partitions by ingestion time`
        : `set reseal:partitionColumn to ${column}, \`pulumi up\``,
    };
  return {
    verdict: 'whole',
    found: `${source} is partitioned by ${column}, and the merge goes through every partition`,
    remedy: byIngestion
      ? 'no setting spares it: reseal:partitionColumn takes no partitions by ingestion time'
      : `reseal:partitionColumn ${column} limits it to the partitions that it changes`,
  };
}
