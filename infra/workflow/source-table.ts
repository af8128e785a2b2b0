import type { Deployment } from '../../jobs/contract/deployment.ts';
import { INGESTION_TIME } from '../../jobs/contract/partitioning.ts';
import { failedAt } from './bigquery-failed.ts';
import { assign, choose, expression, raise, request, type Step, type Subworkflow } from './steps.ts';

/** What is asked for of the table's resource, beside the streaming buffer. */
const PARTITIONING = ['requirePartitionFilter', 'timePartitioning', 'rangePartitioning'];

/**
 * Looks the source table over, as the job does: whether its partitions go with the setting `partitionColumn`, and
 * whether there are rows in its streaming buffer. Returns the last moment before the oldest of these, as a text of
 * milliseconds; empty where there is none. DML cannot change such rows for half an hour: the run leaves them for a
 * later one.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/get
 */
export function sourceTableSubworkflow(d: Deployment): Subworkflow {
  const table = `projects/${d.project}/datasets/${d.dataset}/tables/${d.tables.source}`;
  const fields = `field + ",${PARTITIONING.join(',')}"`;
  return {
    params: ['field'],
    steps: [
      {
        read_table: {
          try: {
            steps: [
              {
                get_table: request(
                  'get',
                  {
                    url: `https://bigquery.googleapis.com/bigquery/v2/${table}`,
                    query: { fields: expression(fields) },
                  },
                  'seen',
                ),
              },
            ],
          },
          except: { as: 'e', steps: [{ fail_table: failedAt('table') }] },
        },
      },
      ...checkPartitions(d),
      { has_buffer: choose({ 'not(field in seen.body)': 'return_none' }) },
      {
        return_before: {
          return: expression('string(int(seen.body.streamingBuffer.oldestEntryTime) - 1)'),
        },
      },
      { return_none: { return: '' } },
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
        by_time: expression(known('seen.body', 'timePartitioning', 'none')),
        by_range: expression(known('seen.body', 'rangePartitioning', 'none')),
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
            known(
              'seen.body',
              'requirePartitionFilter',
              known('by_time', 'requirePartitionFilter', 'required'),
            ),
          ),
        }),
      },
      { is_filter_required: choose({ 'not(required)': 'has_buffer' }) },
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
        [`column == "${named}"`]: 'has_buffer',
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
