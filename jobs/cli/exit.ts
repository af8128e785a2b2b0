import { EXIT, exitCodeOf } from '../contract/error-codes.ts';
import { ResealError } from '../contract/errors.ts';
import { aimed } from './aim.ts';

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
}): void {
  process.stdout.write(`${JSON.stringify({ error })}\n`);
}

/** Says on stderr what was wrong and what to change; with --json the same as an object on stdout. */
export function printError(error: unknown, json: boolean): void {
  const known = error instanceof ResealError;
  const code = known ? error.code : 'internal';
  const message = aimed(messageOf(error));
  const hint = known && error.hint !== undefined ? { hint: aimed(error.hint) } : {};
  const cause = known && error.cause instanceof Error ? { cause: error.cause.message } : {};
  if (json) printJsonError({ code, message, ...hint, ...cause });
  process.stderr.write(`error (${code}): ${message}\n`);
  if (cause.cause !== undefined) process.stderr.write(`cause: ${cause.cause}\n`);
  if (hint.hint !== undefined) process.stderr.write(`hint: ${hint.hint}\n`);
  if (!known && error instanceof Error && process.env.RESEAL_DEBUG === '1')
    process.stderr.write(`${error.stack}\n`);
}

/** Of a thrown object that is no Error its message alone, if it has one: what else it holds is for nobody to read. */
function messageOf(error: unknown): string {
  const { message } = Object(error) as { message?: unknown };
  if (typeof message === 'string') return message;
  return typeof error === 'object' ? 'something was thrown that has no message' : String(error);
}

/** What has not closed by then, an answer that nobody waits for or a connection, must not keep the process. */
const CLOSE_MS = 500;

/** Lets the process end soon with the exit code that has been set. Output to files and pipes is complete by then. */
export function endSoon(): void {
  setTimeout(() => process.exit(), CLOSE_MS).unref();
}
