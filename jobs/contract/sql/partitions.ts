import { quoted, type ReadStack } from './statement.ts';

type Partitioned = Pick<ReadStack, 'partitionColumn'>;

/**
 * A condition to stand before others of a statement over the source table: true of every row, of those without a
 * partition as well. It is what `require_partition_filter` asks for where a statement has to go through the whole table;
 * BigQuery finds a filter in it, though it leaves nothing out. Empty where the stack names no partition column.
 * https://github.com/dbt-labs/dbt-bigquery/pull/986
 *
 * @example
 * `SELECT COUNT(*) FROM ${table(d, 'source')} WHERE ${everyPartition(d)}TRUE`;
 */
export function everyPartition({ partitionColumn }: Partitioned, alias = ''): string {
  if (partitionColumn === null) return '';
  const column = alias + quoted(partitionColumn);
  return `(${column} IS NULL OR ${column} IS NOT NULL) AND `;
}

/** How far a merge goes through the source table: a condition to stand before others, for each kind of change. */
export interface Reach {
  /** Of rows for which there are staged ones. */
  staged(alias: string): string;
  /** Of rows whose sealed value or plaintext is taken away, whatever was staged. */
  cleared(alias: string): string;
}

/**
 * Through the whole table, as far as anybody knows before the rows are staged.
 *
 * @example
 * everywhere(deployment).staged('u.'); // '' without a partition column
 */
export const everywhere = (d: Partitioned): Reach => ({
  staged: (alias) => everyPartition(d, alias),
  cleared: (alias) => everyPartition(d, alias),
});

/** The first and the last partition of either kind, as script variables. */
export const RANGES = {
  staged: ['reseal_first', 'reseal_last'],
  cleared: ['reseal_first_cleared', 'reseal_last_cleared'],
} as const satisfies Readonly<Record<keyof Reach, readonly [string, string]>>;

/**
 * Through the partitions that the script has found to be changed, and the rows without one. BigQuery leaves the others
 * out, since a script's variables are constants to a statement of it; a subquery in their place would not do.
 * https://cloud.google.com/bigquery/docs/querying-partitioned-tables#use_a_constant_expression_as_a_filter
 *
 * @example
 * withinRanges(deployment).staged('u.'); // '(u.`day` BETWEEN reseal_first AND reseal_last OR u.`day` IS NULL) AND '
 */
export function withinRanges({ partitionColumn }: Partitioned): Reach {
  if (partitionColumn === null) return everywhere({ partitionColumn });
  const within = (kind: keyof Reach) => (alias: string) => {
    const column = alias + quoted(partitionColumn);
    return `(${column} BETWEEN ${RANGES[kind].join(' AND ')} OR ${column} IS NULL) AND `;
  };
  return { staged: within('staged'), cleared: within('cleared') };
}
