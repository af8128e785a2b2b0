import { ResealError } from '../contract/errors.ts';
import type { TableResource } from '../google/bigquery.ts';
import type { RunContext } from './context.ts';

/** Rows of the source table that a run must not touch yet. */
export interface Streamed {
  /** An estimate of BigQuery's. */
  readonly rows: number;
  /** The last moment as of which none of them was there. */
  readonly untilMillis: string;
}

/**
 * The rows that insertAll streamed into the source table of late. DML cannot change them for half an hour, so a run
 * leaves them to a later one: it takes the table as of the moment before the oldest of them. Null where there are none.
 * https://cloud.google.com/bigquery/docs/data-manipulation-language#limitations
 *
 * @throws ResealError `source-streaming` where a table of the run is younger than that moment, `source-partition` for a
 * table that wants a filter on its partition column
 */
export async function streamedRows({ bigquery, deployment }: RunContext): Promise<Streamed | null> {
  const source = await bigquery.tableResource('source');
  checkPartitions(source, deployment.tables.source);
  const { streamingBuffer: buffer, creationTime } = source;
  const rows = Number(buffer?.estimatedRows ?? 0);
  const oldest = Number(buffer?.oldestEntryTime ?? 0);
  if (rows === 0 || oldest === 0) return null;
  const rejected = await bigquery.tableResource('rejected');
  const youngest = Math.max(Number(creationTime), Number(rejected.creationTime));
  if (youngest < oldest) return { rows, untilMillis: String(oldest - 1) };
  throw new ResealError(
    'source-streaming',
    `some ${rows} rows of ${deployment.tables.source} are in the streaming buffer of insertAll, the oldest of them older than the stack's tables`,
    { hint: 'DML cannot change them for half an hour: try again then' },
  );
}

/** A run goes through all partitions of its source, so no statement of it has the filter that such a table wants. */
function checkPartitions(source: TableResource, name: string): void {
  const { requirePartitionFilter, timePartitioning, rangePartitioning } = source;
  if (!requirePartitionFilter && !timePartitioning?.requirePartitionFilter) return;
  const column = timePartitioning?.field ?? rangePartitioning?.field ?? '_PARTITIONTIME';
  throw new ResealError(
    'source-partition',
    `${name} is partitioned by ${column} and takes no query without a filter on it (require_partition_filter)`,
    {
      hint: `a run reads every partition: ALTER TABLE ${name} SET OPTIONS (require_partition_filter = FALSE)`,
    },
  );
}
