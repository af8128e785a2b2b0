import type { Deployment } from '../../jobs/contract/deployment.ts';
import { INGESTION_TIME } from '../../jobs/contract/partitioning.ts';
import { assign, call, choose, expression, raise, type Step, type Subworkflow } from './steps.ts';

/** What is asked for of the table's resource. */
const FIELDS = [
  'creationTime',
  'streamingBuffer',
  'requirePartitionFilter',
  'timePartitioning',
  'rangePartitioning',
];

/**
 * Looks the source table over, as the job does: whether its partitions go with the setting `partitionColumn`, and
 * whether there are rows in its streaming buffer. Returns the moment as of which the run takes the tables, as a text
 * of milliseconds: the one that it is given, or the last before the oldest of these rows. DML cannot change them for
 * half an hour: the run leaves them for a later one.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#Streamingbuffer
 */
export function sourceTableSubworkflow(d: Deployment): Subworkflow {
  const { source, rejected } = d.tables;
  return {
    params: ['snapshot'],
    steps: [
      { read_source: call('table_resource', { table: source, fields: FIELDS.join(',') }, 'seen') },
      ...checkPartitions(d),
      {
        read_buffer: assign({
          buffer: expression('default(map.get(seen, "streamingBuffer"), none)'),
          rows: expression('int(default(map.get(buffer, "estimatedRows"), "0"))'),
          oldest: expression('int(default(map.get(buffer, "oldestEntryTime"), "0"))'),
          // A table's name can be longer than an expression.
          source,
        }),
      },
      { has_rows: choose({ 'rows == 0 or oldest == 0': 'return_snapshot' }) },
      { read_rejected: call('table_resource', { table: rejected, fields: 'creationTime' }, 'rejected') },
      // Neither table can be read as of a moment before it was made.
      {
        are_older: choose({
          'math.max(int(seen.creationTime), int(rejected.creationTime)) < oldest': 'leave_rows',
        }),
      },
      {
        fail_streaming: raise(
          'source-streaming',
          `"some " + string(rows) + " rows of " + source + " are in the streaming buffer of insertAll, the oldest of them older than the stack's tables: DML cannot change them for half an hour, try again then"`,
        ),
      },
      { leave_rows: assign({ snapshot: expression('string(oldest - 1)') }) },
      { return_snapshot: { return: expression('snapshot') } },
    ],
  };
}

/** The verdicts of jobs/contract/partitioning.ts that end a run; what it only tells people, nobody would read here. */
function checkPartitions({ partitionColumn: named, tables: { source } }: Deployment): Step[] {
  const known = (map: string, name: string, otherwise: string): string =>
    `default(map.get(${map}, "${name}"), ${otherwise})`;
  const first: Step[] = [
    { expect_no_partitions: assign({ none: {}, required: false, column: '' }) },
    {
      read_partitions: assign({
        by_time: expression(known('seen', 'timePartitioning', 'none')),
        by_range: expression(known('seen', 'rangePartitioning', 'none')),
      }),
    },
    { is_by_time: choose({ 'not("type" in by_time)': 'name_column' }) },
    { expect_ingestion_time: assign({ column: INGESTION_TIME }) },
    {
      name_column: assign({
        column: expression(known('by_time', 'field', known('by_range', 'field', 'column'))),
      }),
    },
  ];
  if (named === null)
    return [
      ...first,
      {
        read_requirement: assign({
          required: expression(
            known('seen', 'requirePartitionFilter', known('by_time', 'requirePartitionFilter', 'required')),
          ),
        }),
      },
      { is_filter_required: choose({ 'not(required)': 'read_buffer' }) },
      {
        fail_filter_required: raise(
          'source-partition',
          `"${source} is partitioned by " + column + " and takes no query without a filter on it (require_partition_filter)"`,
        ),
      },
    ];
  return [
    ...first,
    {
      is_column_named: choose({
        [`column == "${named}"`]: 'read_buffer',
        'column == ""': 'fail_no_partitions',
      }),
    },
    {
      fail_other_column: raise(
        'source-partition',
        `"${source} is partitioned by " + column + ", but reseal:partitionColumn is ${named}"`,
      ),
    },
    {
      fail_no_partitions: raise(
        'source-partition',
        `"${source} is not partitioned, but reseal:partitionColumn is ${named}"`,
      ),
    },
  ];
}
