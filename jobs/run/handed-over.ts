import { ResealError } from '../contract/errors.ts';
import { TAKEN_OVER } from '../google/bounds.ts';
import type { Allowed, HeldContext, Watcher } from './context.ts';
import { endRun } from './recorded-run.ts';
import type { Report } from './report.ts';
import { asFailure, resume } from './run.ts';

/**
 * Carries out what is left of a run that its owner hands over. What keeps this process from it is recorded as well, be it
 * its own by then or still that owner's, who waits for the ledger to say what became of the run.
 *
 * @throws ResealError `run-taken-over` for a run that is not that owner's any more, and whatever `resume` throws
 */
export async function handedOver(
  context: HeldContext,
  runId: string,
  from: string,
  watcher: Watcher,
  allowed: Allowed,
): Promise<Report> {
  try {
    return await resume(context, runId, watcher, { ...allowed, handedOverBy: from });
  } catch (error) {
    if (error instanceof ResealError && error.code === TAKEN_OVER) throw error;
    const isUnsaid = context.signal.aborted && !(error instanceof ResealError);
    const failure = isUnsaid
      ? new ResealError('cancelled', `run ${runId} was cancelled before it was taken over`)
      : asFailure(error);
    // Of a run that has been ended by now, or is somebody else's, nothing is changed.
    for (const owner of [context.owner, from])
      await endRun({ ...context, owner }, runId, failure).catch(() => {});
    throw error;
  }
}
