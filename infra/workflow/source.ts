import { stringify } from 'yaml';
import type { Deployment } from '../../jobs/deployment.ts';
import { batchFailedSubworkflow, batchSubworkflow, driverCountsSubworkflow } from './batch.ts';
import { againSubworkflow, mainWorkflow, runSubworkflow } from './main.ts';
import { querySubworkflow, refusedSubworkflow } from './query.ts';

/** https://cloud.google.com/workflows/quotas#resource_limit */
const MAX_SOURCE_BYTES = 128 * 1024;

/**
 * The Cloud Workflows definition of a stack: the job's run, from the same statements and the same batch body.
 * It always takes the batch; the direct engine is a laptop's.
 */
export function workflowSource(d: Deployment): string {
  const source = stringify(
    {
      main: mainWorkflow(d),
      run: runSubworkflow(d),
      again: againSubworkflow,
      query: querySubworkflow(d),
      refused: refusedSubworkflow,
      batch: batchSubworkflow(d),
      batch_failed: batchFailedSubworkflow,
      driver_counts: driverCountsSubworkflow,
    },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
  const size = Buffer.byteLength(source);
  if (size > MAX_SOURCE_BYTES)
    throw new RangeError(
      `the workflow has ${size} bytes; Workflows takes ${MAX_SOURCE_BYTES}: name fewer fields`,
    );
  return source;
}
