import { unlessAborted, within } from '../google/bounds.ts';
import type { Plan, RunContext, Watcher } from '../run/context.ts';
import { plan } from '../run/plan.ts';
import { knownRun, readRun } from '../run/recorded-run.ts';
import { type Report, report } from '../run/report.ts';
import { resume, run } from '../run/run.ts';
import { planSummary } from '../run/summaries.ts';
import type { Found } from './of-run.ts';
import { confirmSpending } from './spending.ts';
import type { Target } from './target.ts';
import type { TriggerOptions } from './trigger-options.ts';

export { checkReady } from '../doctor/examine.ts';
export { runContext } from './connect.ts';
export { showPlan } from './show-plan.ts';
export { unfinishedToResume } from './unfinished.ts';

/** What `trigger` does once it is connected: in a file of its own, since all this loads while the sandbox starts. */

/** A failure is to be read soon: an answer of the ledger that takes longer, in milliseconds, is not waited for. */
const LOOK_MS = 5_000;

/** What the ledger has of a run. */
export const foundInLedger = (context: RunContext, runId: string): Promise<Found> =>
  unlessAborted(
    within(LOOK_MS, readRun(context, runId), () => new Error('late')),
    context.signal,
  ).catch(() => undefined);

/** Starts the workflow's execution and says how to follow it. */
export async function detached(
  options: TriggerOptions,
  context: RunContext,
  runId: string,
  watcher: Watcher,
  { endpoints }: Pick<Target, 'endpoints'>,
): Promise<void> {
  const { stack, engine, mode, limit, wave, acceptRejected, takeOver, json } = options;
  await approved(options, context, runId, watcher);
  const { startWorkflow } = await import('../run/by-workflow.ts');
  const execution = await startWorkflow(
    context,
    { runId, engine, mode, limit: limit ?? null, waveDeks: wave ?? null },
    { rejected: acceptRejected ?? false, takeOver: takeOver ?? false },
    endpoints,
  );
  const lines = [
    `run ${runId} goes on by itself as ${execution}`,
    `follow it: npm run reseal -- history --stack ${stack}`,
    `       or: gcloud workflows executions describe ${execution}`,
  ];
  process.stdout.write(json ? `${JSON.stringify({ run_id: runId, execution })}\n` : `${lines.join('\n')}\n`);
}

/** The run, new or resumed, by this process or by the workflow. */
export async function carriedOut(
  options: TriggerOptions,
  context: RunContext,
  runId: string,
  watcher: Watcher,
  { endpoints }: Pick<Target, 'endpoints'>,
): Promise<Report> {
  const { resume: resumed, engine, mode, limit = null, wave: waveDeks = null } = options;
  const allowed = {
    rejected: options.acceptRejected ?? false,
    takeOver: options.takeOver ?? false,
    approve: (plan: Plan) => confirmSpending(context, plan, options.yes ?? false),
  };
  if (options.via === 'job')
    return resumed === undefined
      ? run(context, { runId, engine, mode, limit, waveDeks }, watcher, allowed)
      : resume(context, runId, watcher, allowed);
  await approved(options, context, runId, watcher);
  const { runByWorkflow } = await import('../run/by-workflow.ts');
  return runByWorkflow(context, { runId, engine, mode, limit, waveDeks }, allowed, watcher, endpoints);
}

/**
 * Writes the report of a run that failed, as far as the ledger has the run: whoever asked for a page wants to see then what
 * happened. That this fails too is said, and does not hide why the run did.
 */
export async function reportFailed(
  context: RunContext,
  runId: string,
  write: (made: Report) => Promise<void>,
): Promise<void> {
  try {
    const run = await readRun(context, runId);
    if (run !== null) await write(await report(context, run));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    process.stderr.write(`the page of run ${runId} could not be written: ${why}\n`);
  }
}

/**
 * The workflow makes a plan of its own; this one is for who has to say yes to what a new run is expected to cost.
 * Throws ResealError.
 */
async function approved(
  { resume: resumed, engine, via, mode, limit, wave, yes = false }: TriggerOptions,
  context: RunContext,
  runId: string,
  watcher: Watcher,
): Promise<void> {
  if (resumed !== undefined) await knownRun(context, resumed);
  else if (!yes && (await readRun(context, runId)) === null) {
    const options = {
      runId,
      engine,
      via,
      mode,
      limit: limit ?? null,
      waveDeks: wave ?? null,
    };
    const planned = await watcher.step('plan', () => plan(context, options), planSummary);
    await confirmSpending(context, planned, false);
  }
}
