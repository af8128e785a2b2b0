import type { Deployment } from '../../jobs/contract/deployment.ts';
import { failedAt } from './bigquery-failed.ts';
import { assign, expression, request, type Subworkflow } from './steps.ts';

/**
 * Reads some fields, named with commas in between, of a table's resource.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/get
 */
export function tableResourceSubworkflow({ project, dataset }: Deployment): Subworkflow {
  const tables = `https://bigquery.googleapis.com/bigquery/v2/projects/${project}/datasets/${dataset}/tables/`;
  const asked = { url: expression('tables + table'), query: { fields: expression('fields') } };
  return {
    params: ['table', 'fields'],
    steps: [
      // A dataset's name can be longer than an expression.
      { name_tables: assign({ tables }) },
      {
        read_table: {
          try: { steps: [{ get_table: request('get', asked, 'got') }] },
          except: { as: 'e', steps: [{ fail_table: failedAt('table') }] },
        },
      },
      { return_resource: { return: expression('got.body') } },
    ],
  };
}
