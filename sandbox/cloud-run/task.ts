import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ENDPOINTS_VARIABLE, EXECUTION_VARIABLE } from '../../jobs/contract/cloud-run.ts';
import { endpointsOf } from '../http/endpoints.ts';
import { runProgram } from '../programs/program.ts';
import type { Log } from './log.ts';
import { mount } from './mount.ts';
import type { Task } from './template.ts';

/** From SIGTERM to SIGKILL. https://cloud.google.com/run/docs/container-contract#instance-shutdown */
const GRACE_MS = 10_000;

/** Where a task runs: an attempt of an execution. */
export interface Attempt {
  readonly job: string;
  /** The execution's id. */
  readonly id: string;
  readonly attempt: number;
  /** The root of its file system; it is gone afterwards. */
  readonly root: string;
  readonly origin: string;
  /** The access token of its account. */
  readonly token: string;
  readonly log: Log;
  /** Is told once the container starts. */
  readonly started: () => void;
  /** Asks for its end. */
  readonly stop: AbortSignal;
  /** Ends it at once. */
  readonly kill: AbortSignal;
}

/** What a task failed by. */
export interface Failure {
  readonly message: string;
  readonly exited: boolean;
}

/**
 * Runs a task by the Node that runs the sandbox, with the environment that Cloud Run gives it and nothing of this
 * process's own but the path of programs; undefined once it has ended well.
 * https://cloud.google.com/run/docs/container-contract#jobs-env-vars
 */
export async function runTask(task: Task, attempt: Attempt): Promise<Failure | undefined> {
  const { root, log, stop } = attempt;
  const home = join(root, 'root');
  const temporary = join(root, 'tmp');
  for (const folder of [home, temporary]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    await mount(task, root, attempt);
    attempt.started();
    const timeout = AbortSignal.timeout(task.timeoutSeconds * 1000);
    const ending = await runProgram({
      command: process.execPath,
      args: [...task.command.map((one) => (one === task.file.path ? join(root, one) : one)), ...task.args],
      env: {
        PATH: process.env.PATH,
        HOME: home,
        TMPDIR: temporary,
        ...task.env,
        CLOUD_RUN_JOB: attempt.job,
        [EXECUTION_VARIABLE]: attempt.id,
        CLOUD_RUN_TASK_INDEX: '0',
        CLOUD_RUN_TASK_ATTEMPT: String(attempt.attempt),
        CLOUD_RUN_TASK_COUNT: '1',
        [ENDPOINTS_VARIABLE]: JSON.stringify(endpointsOf(attempt.origin, attempt.token)),
      },
      folder: root,
      stop: AbortSignal.any([stop, timeout]),
      graceMs: GRACE_MS,
      kill: attempt.kill,
      line: (text, stream) => log.write(text, stream),
    });
    const late = timeout.aborted && !stop.aborted;
    if (ending === 0 && !late) return undefined;
    log.write(
      typeof ending === 'number' ? `Container called exit(${ending}).` : `Container terminated on ${ending}.`,
      'varlog/system',
    );
    return late
      ? { message: 'The configured timeout was reached.', exited: false }
      : { message: 'The container exited with an error.', exited: true };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    log.write(message, 'varlog/system');
    return { message, exited: false };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
