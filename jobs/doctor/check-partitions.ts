import type { Deployment } from '../contract/deployment.ts';
import { MOST_PARTITIONS } from '../contract/partitioning.ts';
import type { TableResource } from '../google/bigquery.ts';
import { type Finding, wrong } from './finding.ts';

/** A source table with more partitions than one merge may modify; nothing of any other. */
export function checkPartitions(d: Deployment, { numPartitions }: TableResource): Finding[] {
  if (Number(numPartitions ?? 0) <= MOST_PARTITIONS) return [];
  return [
    wrong(
      'warning',
      `partitions of ${d.dataset}.${d.tables.source}`,
      `${numPartitions}, of which BigQuery lets a statement modify ${MOST_PARTITIONS}`,
      'a run whose rows are in more of them ends with its plan, by the workflow in its merge: take fewer rows at a time with --limit or reseal:readLimitRows, which go by id',
    ),
  ];
}
