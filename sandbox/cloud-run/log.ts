import { appendFileSync } from 'node:fs';
import { objectOr } from '../http/router.ts';

/** Where an entry comes from: a stream of the task, or Cloud Run itself. */
type Source = 'stdout' | 'stderr' | 'varlog/system';

/** The log of an execution. */
export interface Log {
  write(text: string, source: Source): void;
}

/** What entries say of the execution that they are of. */
export interface Logged {
  readonly project: string;
  readonly location: string;
  readonly job: string;
  readonly execution: string;
}

/**
 * A log as Cloud Logging keeps it, an entry a line: a line that is a JSON object becomes the entry's payload and
 * severity. https://cloud.google.com/run/docs/logging#using-json
 */
export function executionLog(path: string, { project, location, job, execution }: Logged): Log {
  const resource = {
    type: 'cloud_run_job',
    labels: { project_id: project, location, job_name: job },
  };
  const labels = {
    'run.googleapis.com/execution_name': execution,
    'run.googleapis.com/task_index': '0',
  };
  // An execution that says nothing has a log, too.
  appendFileSync(path, '', { mode: 0o600 });
  return {
    write(text, source) {
      const logName = `projects/${project}/logs/run.googleapis.com%2F${encodeURIComponent(source)}`;
      const timestamp = new Date().toISOString();
      const entry = { logName, resource, labels, timestamp, ...payloadOf(text) };
      appendFileSync(path, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
    },
  };
}

function payloadOf(text: string): object {
  if (!text.startsWith('{')) return { textPayload: text };
  try {
    const { severity, ...jsonPayload } = objectOr(JSON.parse(text));
    return { ...(severity === undefined ? {} : { severity }), jsonPayload };
  } catch {
    return { textPayload: text };
  }
}
