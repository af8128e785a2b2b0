import type { Deployment } from '../../../jobs/contract/deployment.ts';
import { kmsUri } from '../../../jobs/contract/sql/index.ts';
import { workflowEngines } from '../../../jobs/contract/workflow-engines.ts';

/** What several steps of a run give to statements, as expressions. */

export const ID = { run_id: 'run_id' };
/** Only its owner writes the state of a run. */
export const OWN = { ...ID, owner: 'owner' };
/** The batch that staged the rows; empty for a run without a value. */
export const ATTEMPT = { ...ID, attempt: 'outcome.id' };

/** The run's version of the first-level keyset. */
export const KEYSET = { kms: `"${kmsUri('')}" + keyset.kms_key`, keyset: 'keyset.wrapped' };

/** Whether a jar of the user's own stages the values: it chooses its rows by itself. */
export const hasJar = (d: Deployment): boolean => d.batch.jarFile !== null;

/** Whether batches stage values. */
export const takesBatches = (d: Deployment): boolean => workflowEngines(d).includes('dataproc');

/** Whether runs inside BigQuery are handed over to the job that is deployed. */
export const handsOver = (d: Deployment): boolean => workflowEngines(d).includes('bigquery');
