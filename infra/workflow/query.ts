import type { Deployment } from '../../jobs/deployment.ts';
import { assign, call, choose, expression, request, type Subworkflow } from './steps.ts';

/**
 * Runs one statement and returns the first row of its result as a map of texts. It posts a job and asks for
 * its results until there are some: a job outlives any single request.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults
 */
export function querySubworkflow(d: Deployment): Subworkflow {
  const api = `https://bigquery.googleapis.com/bigquery/v2/projects/${d.project}`;
  return {
    params: ['step', 'sql', 'parameters'],
    steps: [
      {
        post: request(
          'post',
          {
            url: `${api}/jobs`,
            body: {
              jobReference: { projectId: d.project, location: d.location },
              configuration: {
                labels: { 'reseal-step': expression('step') },
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
      {
        ask: {
          try: {
            steps: [
              {
                results: request(
                  'get',
                  {
                    url: expression(`"${api}/queries/" + posted.body.jobReference.jobId`),
                    query: { location: d.location, timeoutMs: 20000, maxResults: 1 },
                  },
                  'answer',
                ),
              },
            ],
          },
          except: {
            as: 'e',
            steps: [{ refused: call('refused', { step: expression('step'), e: expression('e') }) }],
          },
        },
      },
      { complete: choose({ 'answer.body.jobComplete': 'prepare' }, 'ask') },
      {
        prepare: assign({
          row: {},
          none: [],
          rows: expression('default(map.get(answer.body, "rows"), none)'),
        }),
      },
      { any: choose({ 'len(rows) == 0': 'done' }) },
      {
        name_cells: {
          for: {
            value: 'field',
            index: 'at',
            in: expression('answer.body.schema.fields'),
            steps: [
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

/** Raises what BigQuery said of a job that failed, with the step it happened in. */
export const refusedSubworkflow: Subworkflow = {
  params: ['step', 'e'],
  steps: [
    { body: assign({ none: {}, body: expression('default(map.get(e, "body"), none)') }) },
    { error: assign({ error: expression('default(map.get(body, "error"), none)') }) },
    {
      text: assign({
        text: expression('default(map.get(error, "message"), default(map.get(e, "message"), "failed"))'),
      }),
    },
    {
      again: {
        raise: {
          code: 'bigquery',
          final: 'no',
          message: expression('"BigQuery, step " + step + ": " + text'),
        },
      },
    },
  ],
};
