import type { Deployment } from './deployment.ts';

/** Where the workflow can have a run's values sealed: in a batch, or inside BigQuery by the job that is deployed. */
export type WorkflowEngine = 'dataproc' | 'bigquery';

/**
 * The engines of a stack's workflow: those that the stack allows and has what they need for.
 *
 * @example
 * workflowEngines(deployment); // ['dataproc', 'bigquery']
 */
export const workflowEngines = ({
  engines,
  batch,
  cloudRunJob,
}: Pick<Deployment, 'engines' | 'batch' | 'cloudRunJob'>): readonly WorkflowEngine[] => [
  ...(engines.includes('dataproc') && (batch.application !== null || batch.jarFile !== null)
    ? (['dataproc'] as const)
    : []),
  ...(cloudRunJob !== null ? (['bigquery'] as const) : []),
];

/** How long the keys of a run may take to open for the workflow to have the run done inside BigQuery: ten minutes. */
const FEW_KEYS_SECONDS = 600;

/**
 * How many distinct data keys are few: the workflow has such a run done inside BigQuery, where the stack allows it, and
 * takes a batch for more, where the stack allows that.
 */
export const fewKeys = ({ batch }: Pick<Deployment, 'batch'>): number =>
  FEW_KEYS_SECONDS * batch.kmsCallsPerSecond;

/**
 * The engine that the workflow takes for a run with so many distinct data keys, where it is left to it: inside BigQuery no
 * batch is paid for, but one process opens all keys.
 *
 * @example
 * workflowEngine(deployment, 1000); // 'bigquery', where the stack allows it
 */
export function workflowEngine(d: Deployment, distinctDeks: number): WorkflowEngine {
  const [first = 'dataproc', ...others] = workflowEngines(d);
  if (others.length === 0) return first;
  return distinctDeks <= fewKeys(d) ? 'bigquery' : 'dataproc';
}
