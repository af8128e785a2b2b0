import type { Deployment } from '../contract/deployment.ts';
import type { TableResource } from '../google/bigquery.ts';
import { type Finding, ok, wrong } from './finding.ts';

/**
 * Rows that insertAll streamed into the source table and that DML cannot change yet: a run leaves them to a later one.
 * https://cloud.google.com/bigquery/docs/data-manipulation-language#limitations
 */
export function checkStreaming(d: Deployment, { streamingBuffer: buffer }: TableResource): Finding {
  const check = `streaming buffer of ${d.dataset}.${d.tables.source}`;
  const rows = Number(buffer?.estimatedRows ?? 0);
  if (rows === 0) return ok(check, 'empty');
  const oldest = Number(buffer?.oldestEntryTime ?? 0);
  const since = oldest === 0 ? '' : `, the oldest of ${new Date(oldest).toISOString()}`;
  return wrong(
    'warning',
    check,
    `some ${rows} rows${since}`,
    'a run leaves them to a later one, since DML cannot change them for half an hour; rows of the Storage Write API can be changed at once',
  );
}
