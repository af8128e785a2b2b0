import { stringify } from 'yaml';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { batchSubworkflow } from './batch.ts';
import { bigqueryFailedSubworkflow } from './bigquery-failed.ts';
import { countingSubworkflow } from './counting.ts';
import { deployedJobSubworkflow } from './deployed-job.ts';
import { driverOutputSubworkflow } from './driver-output.ts';
import { mainWorkflow, worthRetryingSubworkflow } from './main.ts';
import { querySubworkflow } from './query.ts';
import { handsOver, takesBatches } from './run/values.ts';
import { runSubworkflow } from './run.ts';
import { runRowSubworkflow } from './run-row.ts';
import { sourceTableSubworkflow } from './source-table.ts';
import { tableResourceSubworkflow } from './table-resource.ts';

/** https://cloud.google.com/workflows/quotas#resource_limit */
const MAX_SOURCE_BYTES = 128 * 1024;

/**
 * The Cloud Workflows definition of a stack: the job's run, from the same statements and the same batch body. A run inside
 * BigQuery it hands over to the job that is deployed: that needs data keys opened, and whatever answers a workflow,
 * Workflows stores in the clear. https://cloud.google.com/workflows/docs/use-cmek
 */
export function workflowSource(d: Deployment): string {
  const source = stringify(
    {
      main: mainWorkflow(d),
      run: runSubworkflow(d),
      worth_retrying: worthRetryingSubworkflow,
      source_table: sourceTableSubworkflow(d),
      table_resource: tableResourceSubworkflow(d),
      counting: countingSubworkflow(d),
      run_row: runRowSubworkflow(d),
      query: querySubworkflow(d),
      bigquery_failed: bigqueryFailedSubworkflow(d),
      ...(takesBatches(d) && {
        batch: batchSubworkflow(d),
        driver_output: driverOutputSubworkflow,
      }),
      ...(handsOver(d) && { deployed_job: deployedJobSubworkflow(d) }),
    },
    // Its readers go by YAML 1.1, where a bare `no` is false. Lists are not indented: that would take a twentieth of the room.
    { lineWidth: 0, aliasDuplicateObjects: false, version: '1.1', indentSeq: false },
  );
  const size = Buffer.byteLength(source);
  if (size > MAX_SOURCE_BYTES)
    throw new RangeError(
      `the workflow has ${size} bytes; Workflows takes ${MAX_SOURCE_BYTES}: name fewer fields, or ${takesBatches(d) && handsOver(d) ? 'one of dataproc and bigquery alone in reseal:engines' : 'shorter columns'}`,
    );
  return source;
}
