/**
 * The structured log entry with which a run on Google Cloud ends. The workflow writes it, the log-based
 * metrics count it and the alert policies match it: one definition for all three.
 */

/** How a run can end; the value of `jsonPayload.reseal`. */
export const RUN_EVENTS = {
  succeeded: 'run.succeeded',
  failed: 'run.failed',
  cancelled: 'run.cancelled',
} as const;

export type RunEvent = (typeof RUN_EVENTS)[keyof typeof RUN_EVENTS];

/** The entry's payload: counts and codes, never a value of a row. */
export interface RunEntry {
  reseal: RunEvent;
  stack: string;
  run_id: string;
  selected: number;
  rejected: number;
  /** rejected / selected; 0 where nothing was selected. */
  rejected_share: number;
  kms_calls: number;
  /** Stable code of the failure, where there was one. */
  error_code: string | null;
}

/** The monitored resource that a workflow's entries belong to. */
export const RUN_RESOURCE = 'workflows.googleapis.com/Workflow';

/** The Cloud Logging filter for a stack's entries of one kind. */
export function runFilter(stack: string, event: RunEvent): string {
  return [
    `resource.type="${RUN_RESOURCE}"`,
    `jsonPayload.reseal="${event}"`,
    `jsonPayload.stack="${stack}"`,
  ].join('\n');
}
