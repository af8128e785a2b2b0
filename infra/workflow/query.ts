import type { Deployment } from '../../jobs/contract/deployment.ts';
import { assign, choose, expression, reasonOf, request, type Subworkflow } from './steps.ts';

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
  const refuse = {
    raise: {
      error_code: 'bigquery',
      final: 'no',
      message: expression('"BigQuery, step " + statement + ": " + reason'),
    },
  };
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
        insert: {
          try: {
            steps: [
              {
                post: request(
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
              { repeated: choose({ 'default(map.get(e, "code"), 0) == 409': 'there' }) },
              ...reasonOf('e', 'insert_refused'),
              { not_inserted: refuse },
              { there: assign({ job_id: expression('job_id') }) },
            ],
          },
        },
      },
      {
        ask: {
          try: {
            steps: [
              {
                results: request(
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
          except: { as: 'e', steps: [...reasonOf('e', 'job_failed'), { no_results: refuse }] },
        },
      },
      { complete: choose({ 'answer.body.jobComplete': 'first_row' }, 'ask') },
      { first_row: assign({ rows: expression('default(map.get(answer.body, "rows"), none)') }) },
      { any: choose({ 'len(rows) == 0': 'done' }) },
      {
        name_cells: {
          for: {
            value: 'field',
            index: 'at',
            in: expression('answer.body.schema.fields'),
            steps: [
              { null_cell: choose({ 'get_type(rows[0].f[at].v) == "null"': 'continue' }) },
              { column: assign({ name: expression('field.name') }) },
              { cell: assign({ 'row[name]': expression('rows[0].f[at].v') }) },
            ],
          },
        },
      },
      { done: { return: expression('row') } },
    ],
  };
}
