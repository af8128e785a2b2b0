/**
 * A run is driven by one process, or by one execution of the workflow, at a time. The ledger names it as the run's
 * owner, and every statement that writes the state of a run asks for the owner that issues it.
 */

/** How often a process renews its lease. BigQuery queues statements that change one table; this is far below that. */
export const HEARTBEAT_SECONDS = 30;

/**
 * An owner that has not been heard of for so long is taken for gone. The workflow looks at its batch, and renews its lease,
 * once a minute at the least; this leaves two renewals to be lost.
 */
export const LEASE_SECONDS = 180;

/**
 * The owner that an execution of the workflow is. The job passes the id, the workflow the mark of its variable.
 *
 * @example
 * workflowOwner('5f2c…'); // 'workflow:5f2c…'
 */
export const workflowOwner = (executionId: string): string => `workflow:${executionId}`;
