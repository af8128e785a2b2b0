import { ResealError } from '../contract/errors.ts';
import type { Allowed, RunContext, Watcher } from './context.ts';
import { endRun } from './recorded-run.ts';
import type { Report } from './report.ts';
import { asFailure, resume } from './run.ts';

/**
 * Carries out what is left of a run that its owner hands over. What keeps this process from taking the run over is recorded
 * in that owner's name, who waits for the ledger to say what became of the run.
 *
 * @throws ResealError `run-taken-over` for a run that is not that owner's any more, and whatever `resume` throws
 */
export async function handedOver(
  context: RunContext,
  runId: string,
  owner: string,
  watcher: Watcher,
  allowed: Allowed,
): Promise<Report> {
  try {
    return await resume(context, runId, watcher, { ...allowed, handedOverBy: owner });
  } catch (error) {
    const failure = context.signal.aborted
      ? new ResealError('cancelled', `run ${runId} was cancelled before it was taken over`)
      : asFailure(error);
    // Once this process has had the run, this changes nothing.
    await endRun({ ...context, owner }, runId, failure).catch(() => {});
    throw error;
  }
}
