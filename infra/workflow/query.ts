import type { Deployment } from '../../jobs/contract/deployment.ts';
import { failedAt } from './bigquery-failed.ts';
import { assign, choose, expression, request, type Subworkflow } from './steps.ts';

/** Seconds that BigQuery may hold an answer back while a job runs. */
const WAIT_SECONDS = 20;

/**
 * Runs one statement and returns the first row of its result as a map of texts, a NULL left out. It posts a
 * job and asks for its results until there are some: a job outlives any single request. The job's id is made
 * here, so that a request that is sent twice makes one job.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults
 */
export function querySubworkflow(d: Deployment): Subworkflow {
  const api = `https://bigquery.googleapis.com/bigquery/v2/projects/${d.project}`;
  return {
    params: ['statement', 'sql', 'parameters'],
    steps: [
      {
        name_job: assign({
          job_id: expression('"reseal_" + statement + "_" + uuid.generate()'),
          row: {},
          none: [],
        }),
      },
      {
        insert_job: {
          try: {
            steps: [
              {
                post_job: request(
                  'post',
                  {
                    url: `${api}/jobs`,
                    body: {
                      jobReference: {
                        projectId: d.project,
                        location: d.location,
                        jobId: expression('job_id'),
                      },
                      configuration: {
                        labels: { 'reseal-step': expression('statement') },
                        query: {
                          query: expression('sql'),
                          useLegacySql: false,
                          parameterMode: 'NAMED',
                          queryParameters: expression('parameters'),
                        },
                      },
                    },
                  },
                  'posted',
                ),
              },
            ],
          },
          except: {
            as: 'e',
            steps: [
              {
                is_inserted_already: choose({ 'default(map.get(e, "code"), 0) == 409': 'wait_for_existing' }),
              },
              { fail_insert: failedAt(expression('statement')) },
              { wait_for_existing: assign({ job_id: expression('job_id') }) },
            ],
          },
        },
      },
      {
        wait_for_result: {
          try: {
            steps: [
              {
                get_results: request(
                  'get',
                  {
                    url: expression(`"${api}/queries/" + job_id`),
                    query: { location: d.location, timeoutMs: `${WAIT_SECONDS}000`, maxResults: '1' },
                  },
                  'answer',
                ),
              },
            ],
          },
          except: { as: 'e', steps: [{ fail_job: failedAt(expression('statement')) }] },
        },
      },
      { is_complete: choose({ 'answer.body.jobComplete': 'keep_rows' }, 'wait_for_result') },
      { keep_rows: assign({ rows: expression('default(map.get(answer.body, "rows"), none)') }) },
      { has_rows: choose({ 'len(rows) == 0': 'return_row' }) },
      {
        name_cells: {
          for: {
            value: 'field',
            index: 'at',
            in: expression('answer.body.schema.fields'),
            steps: [
              { is_null: choose({ 'get_type(rows[0].f[at].v) == "null"': 'continue' }) },
              { name_column: assign({ name: expression('field.name') }) },
              { keep_cell: assign({ 'row[name]': expression('rows[0].f[at].v') }) },
            ],
          },
        },
      },
      { return_row: { return: expression('row') } },
    ],
  };
}
