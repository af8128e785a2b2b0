import { ResealError } from '../contract/errors.ts';
import { partitionVerdict } from '../contract/partitioning.ts';
import type { TableResource } from '../google/bigquery.ts';
import { rowsWithoutId } from '../google/rows-without-id.ts';
import type { RunContext } from './context.ts';

/** Rows of the source table that a run must not touch yet. */
interface Streamed {
  /** An estimate of BigQuery's. */
  readonly rows: number;
  /** The last moment as of which none of them was there. */
  readonly untilMillis: string;
}

/** What the plan has to know of the source table. */
export interface SourceState {
  /** As BigQuery has it. */
  readonly source: TableResource;
  /** Logical bytes, which queries are billed by; 0 where BigQuery does not say. */
  readonly bytes: number;
  /** Null where no rows are in the streaming buffer. */
  readonly streamed: Streamed | null;
  /** What to tell people of a table whose partitions are all gone through; null where there is nothing to tell. */
  readonly wholePartitions: string | null;
  /** Rows with a value and no id, which no run takes. */
  readonly rowsWithoutId: number;
}

/**
 * Looks the source table over before anything begins.
 *
 * @throws ResealError `source-partition` where its partitions do not go with the setting `partitionColumn`,
 * `source-streaming` where a table of the run is younger than its streamed rows
 */
export async function sourceState(context: RunContext): Promise<SourceState> {
  const source = await context.bigquery.tableResource('source');
  const partitions = partitionVerdict(context.deployment, source);
  if (partitions.verdict === 'fault')
    throw new ResealError('source-partition', partitions.found, { hint: partitions.remedy });
  return {
    source,
    bytes: Number(source.numBytes ?? 0),
    streamed: await streamedRows(context, source),
    wholePartitions: partitions.verdict === 'fits' ? null : `${partitions.found}; ${partitions.remedy}`,
    rowsWithoutId: await rowsWithoutId(context, source),
  };
}

/**
 * The rows that insertAll streamed into the source table of late. DML cannot change them for half an hour, so a run
 * leaves them to a later one: it takes the table as of the moment before the oldest of them. Null where there are none.
 * https://cloud.google.com/bigquery/docs/data-manipulation-language#limitations
 */
async function streamedRows(
  { bigquery, deployment }: RunContext,
  { streamingBuffer: buffer, creationTime }: TableResource,
): Promise<Streamed | null> {
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
