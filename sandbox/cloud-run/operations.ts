import { randomUUID } from 'node:crypto';
import { GoogleError } from '../errors/google-error.ts';
import type { Json } from '../http/router.ts';
import { completed, type Execution } from './execution.ts';
import type { Job } from './jobs.ts';

const TYPE = 'type.googleapis.com/google.cloud.run.v2.';
/** google.rpc.Code */
const CODES = { cancelled: 1, internal: 13 } as const;

const parentOf = (name: string): string => name.split('/').slice(0, 4).join('/');

/**
 * The long-running operations of Cloud Run, kept in memory: what has changed a job is done when it answers, what
 * starts or cancels an execution when the execution has completed. One that is not done does not say so.
 */
export class Operations {
  readonly #operations = new Map<string, () => Json>();

  /** Of a method that has created, changed or deleted a job. */
  ofJob(job: Job): Json {
    const shown = { '@type': `${TYPE}Job`, ...job };
    return this.#begun(job.name, (name) => ({ name, metadata: shown, done: true, response: shown }));
  }

  /** Of one that has started an execution, which fails with it. */
  ofRun(execution: Execution): Json {
    return this.#begun(execution.name, (name) => {
      const shown = { '@type': `${TYPE}Execution`, ...execution };
      const pending = { name, metadata: shown };
      if (execution.completionTime === undefined) return pending;
      if (execution.succeededCount === 1) return { ...pending, done: true, response: shown };
      const code = execution.cancelledCount === 1 ? CODES.cancelled : CODES.internal;
      return { ...pending, done: true, error: { code, message: completed(execution)?.message ?? '' } };
    });
  }

  /** Of one that has cancelled an execution. */
  ofCancel(execution: Execution): Json {
    return this.#begun(execution.name, (name) => {
      const shown = { '@type': `${TYPE}Execution`, ...execution };
      const done = execution.completionTime === undefined ? {} : { done: true, response: shown };
      return { name, metadata: shown, ...done };
    });
  }

  /** @throws GoogleError NOT_FOUND */
  get(name: string): Json {
    const show = this.#operations.get(name);
    if (show === undefined) throw new GoogleError('NOT_FOUND', `Operation '${name}' does not exist.`);
    return show();
  }

  #begun(resource: string, show: (name: string) => Json): Json {
    const name = `${parentOf(resource)}/operations/${randomUUID()}`;
    this.#operations.set(name, () => show(name));
    return show(name);
  }
}
