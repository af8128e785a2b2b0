import { ResealError } from '../contract/errors.ts';
import { MOST_PARTITIONS, mayExceed, type PartitionedTable } from '../contract/partitioning.ts';
import { changedPartitions, type Selection } from '../contract/sql/index.ts';
import type { Value } from '../google/bigquery.ts';
import type { RunContext } from './context.ts';

/**
 * Sees to it that the merge can come through: a statement of it may modify so many partitions, and one of more fails
 * when all has been staged and paid for. Asks BigQuery nothing where the table has no more partitions than that.
 *
 * @throws ResealError `too-many-partitions`
 */
export async function checkPartitionBound(
  { bigquery, deployment }: RunContext,
  source: PartitionedTable,
  selection: Selection<Value>,
): Promise<void> {
  const statement = mayExceed(source) ? changedPartitions(deployment, source) : null;
  if (statement === null) return;
  const [row] = await bigquery.query(statement, selection);
  const [taken, cleared] = [Number(row?.taken), Number(row?.cleared)];
  const { source: name } = deployment.tables;
  const bound = `and BigQuery lets a statement modify ${MOST_PARTITIONS}`;
  if (taken > MOST_PARTITIONS)
    throw new ResealError(
      'too-many-partitions',
      `the values to re-encrypt are in ${taken} partitions of ${name}, ${bound}`,
      {
        hint: `take fewer rows at a time: --limit goes by id, and ${MOST_PARTITIONS} rows are never in more partitions`,
      },
    );
  if (cleared > MOST_PARTITIONS)
    throw new ResealError(
      'too-many-partitions',
      `what the merge has to clear is in ${cleared} partitions of ${name}, ${bound}`,
      { hint: 'clear it by statements of your own, some of the partitions at a time (docs/runbook.md)' },
    );
}
