import { knownCode, NOT_RESUMED } from '../contract/error-codes.ts';
import { ResealError } from '../contract/errors.ts';
import type { LedgerRow } from '../contract/ledger.ts';

/**
 * Hints and remedies are written where nobody knows the run that they are for: they call the way on `--resume RUN`, in
 * backquotes. Here it becomes the command that goes on with the run, or, where the ledger has none, the advice to run
 * it again.
 */

/** The run that this process has at hand. */
export interface RunAtHand {
  readonly id: string;
  readonly via: 'job' | 'workflow';
}

/** What the ledger has of it: its row, or none; undefined where it could not be read. */
export type Found = LedgerRow | null | undefined;

const RESUME = /`--resume RUN((?: [^`]*)?)`/g;
const RUN_AGAIN = /`--resume RUN(?: [^`]*)?`(?: goes on)?/g;
/** `RUN` inside a command. */
const OTHER_COMMANDS = /(`[^`]*) RUN\b([^`]*`)/g;

/**
 * A hint for whoever has no run to go on with.
 *
 * @example
 * withoutRun('check the network, then `--resume RUN`'); // 'check the network, then run it again'
 */
export const withoutRun = (hint: string): string => hint.replaceAll(RUN_AGAIN, 'run it again');

/**
 * The same hint for a run that the ledger has.
 *
 * @example
 * withRun('`--resume RUN` goes on', { id: 'pr-7', via: 'job' }); // '`npm run trigger -- --resume pr-7` goes on'
 */
export const withRun = (hint: string, run: RunAtHand): string =>
  hint
    .replaceAll(RESUME, (_whole, more: string) => `\`${resuming(run, more)}\``)
    .replaceAll(OTHER_COMMANDS, `$1 ${run.id}$2`);

const resuming = ({ id, via }: RunAtHand, more = ''): string =>
  `npm run trigger -- --resume ${id}${more}${via === 'workflow' && !more.includes('--via') ? ' --via workflow' : ''}`;

/** A hint that names one of these has said already how the run goes on, or that it does not. */
const SAYS_ITSELF = /--resume|\babandon\b/;

/** What a failure says of its run, beyond its own hint; null for nothing. */
function next(code: string, hint: string, run: RunAtHand, found: Found): string | null {
  if (found === null)
    return /\brun (?:it )?again\b/.test(hint) ? 'nothing was begun' : 'nothing was begun: run it again';
  if (NOT_RESUMED.some((one) => one === code) || found?.state === 'abandoned') return null;
  const command = `\`${resuming(run)}\``;
  if (found === undefined)
    return `\`npm run reseal -- history\` shows whether it was begun${SAYS_ITSELF.test(hint) ? '' : `; if so, ${command} goes on`}`;
  if (found.state === 'succeeded') return `it is merged: ${command} prints its report`;
  return SAYS_ITSELF.test(hint) ? null : `${command} goes on`;
}

/**
 * A failure as the user reads it who has to go on: with the command for that, and the run's id in its message. One that
 * the call itself was not fit for stays as it is.
 */
export function explained(error: unknown, run: RunAtHand, found: Found): ResealError {
  const known = error instanceof ResealError ? error : internal(error);
  if (found === null && knownCode(known.code)?.exit === 'usage') return known;
  const hint = known.hint ?? '';
  const own = found === null ? withoutRun(hint) : withRun(hint, run);
  const message =
    found === null || known.message.includes(`run ${run.id}`)
      ? known.message
      : `run ${run.id}: ${known.message}`;
  const hints = [own, next(known.code, own, run, found)].filter(Boolean);
  const failure = new ResealError(known.code, message, {
    ...(hints.length > 0 && { hint: hints.join('; ') }),
    cause: known.cause,
  });
  return found === null ? failure : ofRun(failure, run.id);
}

/**
 * An error that nobody foresaw. Of a thrown object that is no Error its message alone, if it has one: what else it holds
 * is for nobody to read.
 */
function internal(error: unknown): ResealError {
  const { message } = Object(error) as { message?: unknown };
  const foreign = typeof error === 'object' ? 'something was thrown that has no message' : String(error);
  return new ResealError('internal', typeof message === 'string' ? message : foreign, { cause: error });
}

const ids = new WeakMap<ResealError, string>();

/** From now on the error is known to be that of a run. */
export function ofRun(error: ResealError, runId: string): ResealError {
  ids.set(error, runId);
  return error;
}

/** The run that an error befell; undefined where there is none, or nothing was begun. */
export const runIdOf = (error: ResealError): string | undefined => ids.get(error);

let atHand: RunAtHand | null = null;

/** From now on this process drives the run, or null: an error that comes past everything names it all the same. */
export function setRunAtHand(run: RunAtHand | null): void {
  atHand = run;
}

/** What was thrown, as one of Reseal's errors. */
export function asResealError(error: unknown): ResealError {
  if (error instanceof ResealError) return error;
  return atHand === null ? internal(error) : explained(error, atHand, undefined);
}
