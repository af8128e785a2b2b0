import { ResealError } from '../contract/errors.ts';
import { EXIT, Interrupted, printError } from './exit.ts';
import { leaveTerminal } from './output.ts';

/** An interrupted command that has not ended by itself after so long is ended. */
const DEADLINE_MS = 4_500;

/** SIGHUP comes when the terminal is closed, or the connection to it breaks. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What an interrupted command says of its work. */
export interface Told {
  readonly message: string;
  readonly hint?: string;
}

const NOTHING: Told = { message: 'cancelled; nothing was begun' };

export interface Interrupt {
  /** Given with the first ctrl-C, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** Given with SIGTERM and SIGHUP alone: ctrl-C reaches each program of the terminal by itself. */
  readonly forPrograms: AbortSignal;
  /**
   * From now on something may have changed.
   *
   * @param left what to say if its end has to be forced
   * @param brokenOff what to say where it breaks off and has not said itself what became of it
   */
  begun(left: Told, brokenOff?: Told): void;
  /** The error that the command ends with: an interrupted one was cancelled, whatever broke off. */
  ended(error: unknown): unknown;
  done(): void;
}

/**
 * Ctrl-C, SIGTERM or SIGHUP once ends a command in good order: what it has at work is cancelled, and it says what became of
 * it. Twice, or if that takes longer than the deadline, the process ends and says what may be left.
 *
 * @param deadlineMs milliseconds; null waits for as long as it takes
 */
export function onInterrupt(json: boolean, deadlineMs: number | null = DEADLINE_MS): Interrupt {
  const controller = new AbortController();
  const programs = new AbortController();
  let told = { left: NOTHING, brokenOff: NOTHING };
  let said: ResealError | null = null;
  let deadline: NodeJS.Timeout | undefined;
  let exit: number = EXIT.cancelled;

  const quit = (): never => {
    printError(said ?? cancelled(told.left), json);
    process.exit(exit);
  };
  const interrupted = (signal: NodeJS.Signals): void => {
    const isHangup = signal === 'SIGHUP';
    if (isHangup) leaveTerminal();
    if (controller.signal.aborted) {
      // A terminal that is closed sends one by its shell, and one by itself.
      if (isHangup) return;
      quit();
    }
    if (isHangup) exit = EXIT.hangup;
    process.stderr.write('\ncancelling; once more to quit at once\n');
    if (deadlineMs !== null) deadline = setTimeout(quit, deadlineMs);
    controller.abort();
    if (signal !== 'SIGINT') programs.abort();
  };
  for (const signal of SIGNALS) process.on(signal, interrupted);
  return {
    signal: controller.signal,
    forPrograms: programs.signal,
    begun(left, brokenOff = NOTHING) {
      told = { left, brokenOff };
    },
    ended(error) {
      if (!controller.signal.aborted) return error;
      const own = error instanceof ResealError && error.code === 'cancelled' ? error : null;
      const { message, hint, cause } = own ?? cancelled(told.brokenOff, error);
      // That the signal was given is no cause.
      const why = cause === controller.signal.reason ? undefined : cause;
      said = new Interrupted(cancelled({ message, ...(hint === undefined ? {} : { hint }) }, why), exit);
      return said;
    },
    done() {
      clearTimeout(deadline);
      for (const signal of SIGNALS) process.off(signal, interrupted);
    },
  };
}

const cancelled = ({ message, hint }: Told, cause?: unknown): ResealError =>
  new ResealError('cancelled', message, { ...(hint === undefined ? {} : { hint }), cause });
