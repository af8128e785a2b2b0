import { workflowId } from '../workflow.ts';

/**
 * The structured log entry with which a workflow's run ends: `jsonPayload.reseal` with the event, the run's
 * id and its counts, never a value of a row. The log-based metrics count these entries and the alert policies
 * match them.
 */

/** How a run can end; the value of `jsonPayload.reseal.event`. */
export const RUN_EVENTS = { succeeded: 'run.succeeded', failed: 'run.failed' } as const;

export type RunEvent = (typeof RUN_EVENTS)[keyof typeof RUN_EVENTS];

/** The counts of a run that succeeded; all are there in every entry. */
export const RUN_COUNTS = ['selected', 'merged', 'rejected', 'kms_calls'] as const;

/** The monitored resource that a workflow's entries belong to. */
export const RUN_RESOURCE = 'workflows.googleapis.com/Workflow';

/** The Cloud Logging filter for the entries of one kind of a stack's workflow. */
export function runFilter(stack: string, event: RunEvent): string {
  return [
    `resource.type="${RUN_RESOURCE}"`,
    `resource.labels.workflow_id="${workflowId(stack)}"`,
    `jsonPayload.reseal.event="${event}"`,
    // A cancelled run ends with the same event, but it is somebody's decision.
    ...(event === RUN_EVENTS.failed ? ['jsonPayload.reseal.state="failed"'] : []),
  ].join('\n');
}
