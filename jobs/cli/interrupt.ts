import { ResealError } from '../contract/errors.ts';
import { EXIT, printError } from './exit.ts';

/** An interrupted command that has not ended by itself after so long is ended. */
const DEADLINE_MS = 4_500;

export interface Interrupt {
  /** Given with the first ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** From now on this run is under way: what to say of it if the end has to be forced. */
  begun(runId: string, goOn: string): void;
  done(): void;
}

/**
 * Ctrl-C or SIGTERM once ends the run in good order: the batch is cancelled, the ledger told. Twice, or if that
 * takes too long, the process ends and says what may be left.
 */
export function onInterrupt(json: boolean): Interrupt {
  const controller = new AbortController();
  let left: ResealError = new ResealError('cancelled', 'cancelled; nothing was begun');
  let deadline: NodeJS.Timeout | undefined;
  const quit = (): never => {
    printError(left, json);
    process.exit(EXIT.cancelled);
  };
  const interrupted = (): void => {
    if (controller.signal.aborted) quit();
    process.stderr.write('\ncancelling; once more to quit at once\n');
    deadline = setTimeout(quit, DEADLINE_MS);
    controller.abort();
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  return {
    signal: controller.signal,
    begun(runId, goOn) {
      left = new ResealError('cancelled', `run ${runId} was left as it stands; its end was not waited for`, {
        hint: `a batch, an execution or a job of BigQuery may still be at work, and the ledger may say so; ${goOn}`,
      });
    },
    done() {
      clearTimeout(deadline);
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', interrupted);
    },
  };
}
