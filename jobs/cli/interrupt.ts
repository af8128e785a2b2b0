import { ResealError } from '../contract/errors.ts';
import { EXIT, Interrupted, printError } from './exit.ts';
import { leaveTerminal } from './output.ts';

/** An interrupted command that has not ended by itself after so long is ended. */
const DEADLINE_MS = 4_500;

/** SIGHUP comes when the terminal is closed, or the connection to it breaks. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Interrupt {
  /** Given with the first ctrl-C, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** From now on this run is under way: what to say of it if the end has to be forced. */
  begun(runId: string, goOn: string): void;
  /** The error that the command ends with: an interrupted one was cancelled, whatever broke off. */
  ended(error: unknown): unknown;
  done(): void;
}

/**
 * Ctrl-C, SIGTERM or SIGHUP once ends the run in good order: the batch is cancelled and the ledger says so. Twice, or if
 * that takes too long, the process ends and says what may be left.
 */
export function onInterrupt(json: boolean): Interrupt {
  const controller = new AbortController();
  let run: Run = null;
  let said: ResealError | null = null;
  let deadline: NodeJS.Timeout | undefined;

  let exit: number = EXIT.cancelled;

  const quit = (): never => {
    printError(said ?? forced(run), json);
    process.exit(exit);
  };
  const interrupted = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) {
      // A terminal that is closed sends one by its shell, and one by itself.
      if (signal === 'SIGHUP') return;
      quit();
    }
    if (signal === 'SIGHUP') {
      exit = EXIT.hangup;
      leaveTerminal();
    }
    process.stderr.write('\ncancelling; once more to quit at once\n');
    deadline = setTimeout(quit, DEADLINE_MS);
    controller.abort();
  };
  for (const signal of SIGNALS) process.on(signal, interrupted);
  return {
    signal: controller.signal,
    begun(id, goOn) {
      run = { id, goOn };
    },
    ended(error) {
      if (!controller.signal.aborted) return error;
      // The run says itself what became of it, unless it was still being planned or only reported.
      const own = error instanceof ResealError && error.code === 'cancelled' ? error : outside(run, error);
      said = new Interrupted(own, exit);
      return said;
    },
    done() {
      clearTimeout(deadline);
      for (const signal of SIGNALS) process.off(signal, interrupted);
    },
  };
}

type Run = { readonly id: string; readonly goOn: string } | null;

const NOTHING = 'cancelled; nothing was begun';

/** The end was not waited for. */
function forced(run: Run): ResealError {
  if (run === null) return new ResealError('cancelled', NOTHING);
  return new ResealError('cancelled', `run ${run.id} was left as it stands; its end was not waited for`, {
    hint: `a batch, an execution or a job of BigQuery may still be at work, and the ledger may say so; ${run.goOn}`,
  });
}

/** Before the first step that changes anything, or after the merge. */
function outside(run: Run, cause: unknown): ResealError {
  if (run === null) return new ResealError('cancelled', NOTHING, { cause });
  return new ResealError('cancelled', `run ${run.id} was interrupted while it was planned or reported`, {
    hint: `\`npm run reseal -- history\` shows whether it has merged; if the ledger has it, ${run.goOn}`,
    cause,
  });
}
