import { randomInt, randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GoogleError } from '../errors/google-error.ts';
import type { Faults } from '../faults/plane.ts';
import type { Json } from '../http/router.ts';
import type { Iam } from '../iam/iam.ts';
import { emailOf } from '../iam/resources.ts';
import { readJsonFile, writeAtomically } from '../state/files.ts';
import { type Assignment, carryOut } from './carry-out.ts';
import { cancelling, complete, type Execution, type Outcome, pendingExecution } from './execution.ts';
import type { Job } from './jobs.ts';
import { executionLog } from './log.ts';
import { overridden, taskOf } from './template.ts';

/** What executions need of the sandbox. */
export interface Place {
  readonly state: string;
  /** Known once the server listens. */
  readonly origin: () => string;
  /** Executions act as their accounts. */
  readonly iam: Iam;
  readonly faults: Faults;
}

/** An execution that has not completed. */
interface Running {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** The id that an execution has behind that of its job: `-x7k2p`. */
const SUFFIX = { letters: 'abcdefghijklmnopqrstuvwxyz0123456789', length: 5 };
const suffix = (): string =>
  Array.from({ length: SUFFIX.length }, () => SUFFIX.letters[randomInt(SUFFIX.letters.length)]).join('');

const RUN = { service: 'run', method: 'jobs.run' } as const;
const STOPPED: Outcome = { count: 'failedCount', message: 'The sandbox was stopped.' };

/** The executions of a sandbox: what they do and what became of them. */
export class Executions {
  readonly #place: Place;
  readonly #folder: string;
  readonly #file: string;
  readonly #executions: Map<string, Execution>;
  readonly #running = new Map<string, Running>();
  #closed = false;

  constructor(place: Place) {
    this.#place = place;
    this.#folder = join(place.state, 'cloud-run');
    this.#file = join(this.#folder, 'executions.json');
    // What a sandbox that was killed has left.
    rmSync(join(this.#folder, 'tasks'), { recursive: true, force: true });
    mkdirSync(join(this.#folder, 'logs'), { recursive: true, mode: 0o700 });
    const kept = (readJsonFile(this.#file) ?? []) as Execution[];
    this.#executions = new Map(kept.map((execution) => [execution.name, execution]));
    for (const execution of kept) if (execution.completionTime === undefined) complete(execution, STOPPED);
  }

  /** Starts an execution of a job for its member. @throws GoogleError for overrides that the sandbox lacks */
  start(job: Job, overrides: Json, member: string): Execution {
    const [, project = '', , location = '', , id = ''] = job.name.split('/');
    const short = `${id}-${suffix()}`;
    const template = overridden(job, overrides);
    const task = taskOf(template);
    const path = join(this.#folder, 'logs', `${short}.ndjson`);
    const log = executionLog(path, { project, location, job: id, execution: short });
    const execution = pendingExecution({
      name: `${job.name}/executions/${short}`,
      uid: randomUUID(),
      creator: emailOf(member),
      job: id,
      template,
      logUri: pathToFileURL(path).href,
    });
    this.#executions.set(execution.name, execution);
    const [fault] = this.#place.faults.hit('execution', RUN, member);
    const stop = new AbortController();
    const ended = this.#carryOut({ execution, task, log, fault, stop: stop.signal });
    this.#running.set(execution.name, { stop, ended });
    this.#save();
    return execution;
  }

  async #carryOut(work: Omit<Assignment, 'folder' | 'origin' | 'token' | 'save'>): Promise<void> {
    // The caller sees it before it starts, as with the service.
    await new Promise((resolve) => setImmediate(resolve));
    const { execution, task } = work;
    const { iam, origin } = this.#place;
    const carried = async (): Promise<Outcome> =>
      carryOut({
        ...work,
        folder: join(this.#folder, 'tasks'),
        origin: origin(),
        token: iam.token(`serviceAccount:${task.account}`),
        save: () => this.#save(),
      });
    const outcome = await carried().catch(
      (error: unknown): Outcome => ({ count: 'failedCount', message: String(error) }),
    );
    complete(execution, this.#closed ? STOPPED : outcome);
    this.#running.delete(execution.name);
    this.#save();
  }

  /** @throws GoogleError NOT_FOUND */
  get(name: string): Execution {
    const execution = this.#executions.get(name);
    if (execution !== undefined) return execution;
    throw new GoogleError('NOT_FOUND', `Resource '${name}' of kind 'EXECUTION' does not exist.`);
  }

  /** Those of a job, the latest first. */
  list(job: string): Execution[] {
    const all = [...this.#executions.values()];
    return all.filter(({ name }) => name.startsWith(`${job}/executions/`)).reverse();
  }

  /** Asks for the end of an execution; one that has completed stays as it is. */
  cancel(name: string): Execution {
    const execution = this.get(name);
    const running = this.#running.get(name);
    if (running !== undefined && !running.stop.signal.aborted) {
      cancelling(execution);
      running.stop.abort();
      this.#save();
    }
    return execution;
  }

  /** Ends and forgets the executions of a job that is deleted. */
  async forget(job: string): Promise<void> {
    for (const { name } of this.list(job)) {
      this.cancel(name);
      await this.#running.get(name)?.ended;
      this.#executions.delete(name);
    }
    this.#save();
  }

  /** Stops what runs, for the sandbox's own end. */
  async close(): Promise<void> {
    this.#closed = true;
    const running = [...this.#running.values()];
    for (const { stop } of running) stop.abort();
    await Promise.all(running.map(({ ended }) => ended));
  }

  #save(): void {
    writeAtomically(this.#file, JSON.stringify([...this.#executions.values()]));
  }
}
