import type { Deployment } from '../../jobs/contract/deployment.ts';
import { choose, expression, reasonOf, request, type Subworkflow } from './steps.ts';

/**
 * The last moment before the oldest row of the source table's streaming buffer, as a text of milliseconds; empty
 * where there is none. DML cannot change such rows for half an hour: the run leaves them for a later one.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/get
 */
export function streamingSubworkflow(d: Deployment): Subworkflow {
  const table = `projects/${d.project}/datasets/${d.dataset}/tables/${d.tables.source}`;
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
                    query: { fields: expression('field') },
                  },
                  'seen',
                ),
              },
            ],
          },
          except: {
            as: 'e',
            steps: [
              ...reasonOf('e', 'table_failed'),
              {
                fail_table: {
                  raise: {
                    error_code: 'bigquery',
                    final: 'no',
                    message: expression('"BigQuery, step table: " + reason'),
                  },
                },
              },
            ],
          },
        },
      },
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
