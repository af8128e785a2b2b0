import { EXIT, exitCodeOf } from '../contract/error-codes.ts';
import { ResealError } from '../contract/errors.ts';
import { aimed } from './aim.ts';
import { asResealError, runIdOf, withoutRun } from './of-run.ts';

export { EXIT };

/** What became of a command that a signal ended, where the exit code is the signal's. */
export class Interrupted extends ResealError {
  readonly exit: number;

  constructor({ code, message, hint, cause }: ResealError, exit: number) {
    super(code, message, { ...(hint === undefined ? {} : { hint }), cause });
    this.exit = exit;
  }
}

export function exitCode(error: unknown): number {
  if (error instanceof Interrupted) return error.exit;
  return error instanceof ResealError ? exitCodeOf(error.code) : EXIT.failed;
}

/** The error as `--json` prints it on stdout. */
export function printJsonError(error: {
  code: string;
  message: string;
  hint?: string;
  cause?: string;
  run_id?: string;
}): void {
  process.stdout.write(`${JSON.stringify({ error })}\n`);
}

/** Says on stderr what was wrong and what to change; with --json the same as an object on stdout. */
export function printError(error: unknown, json: boolean): void {
  const known = asResealError(error);
  const { code } = known;
  const unforeseen = code === 'internal' && known.cause instanceof Error ? known.cause : null;
  const message = aimed(known.message);
  const hint = known.hint === undefined ? {} : { hint: aimed(withoutRun(known.hint)) };
  const cause = known.cause instanceof Error && unforeseen === null ? { cause: known.cause.message } : {};
  const runId = runIdOf(known);
  if (json)
    printJsonError({ code, message, ...hint, ...cause, ...(runId !== undefined && { run_id: runId }) });
  process.stderr.write(`error (${code}): ${message}\n`);
  if (cause.cause !== undefined) process.stderr.write(`cause: ${cause.cause}\n`);
  if (hint.hint !== undefined) process.stderr.write(`hint: ${hint.hint}\n`);
  if (unforeseen !== null && process.env.RESEAL_DEBUG === '1') process.stderr.write(`${unforeseen.stack}\n`);
}

/** What has not closed by then, an answer that nobody waits for or a connection, must not keep the process. */
const CLOSE_MS = 500;

/** Lets the process end soon with the exit code that has been set. Output to files and pipes is complete by then. */
export function endSoon(): void {
  setTimeout(() => process.exit(), CLOSE_MS).unref();
}
