/** What a table of `require_partition_filter` asks of whoever reads it. */
export interface PartitionFilter {
  /** Its full name, for messages. */
  table: string;
  /** Its partition column. */
  column: string;
  /** All of its columns, in lower case: what is compared with one of them is no constant. */
  columns: ReadonlySet<string>;
}
