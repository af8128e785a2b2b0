import { unlessAborted, within } from '../google/bounds.ts';
import type { Plan, RunContext, Watcher } from '../run/context.ts';
import { plan } from '../run/plan.ts';
import { knownRun, readRun } from '../run/recorded-run.ts';
import type { Report } from '../run/report.ts';
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
  const { stack, mode, limit, wave, acceptRejected, takeOver, json } = options;
  await approved(options, context, runId, watcher);
  const { startWorkflow } = await import('../run/by-workflow.ts');
  const execution = await startWorkflow(
    context,
    { runId, mode, limit: limit ?? null, waveDeks: wave ?? null },
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
  return runByWorkflow(context, { runId, mode, limit, waveDeks }, allowed, watcher, endpoints);
}

/**
 * The workflow makes a plan of its own; this one is for who has to say yes to what a new run is expected to cost.
 * Throws ResealError.
 */
async function approved(
  { resume: resumed, mode, limit, wave, yes = false }: TriggerOptions,
  context: RunContext,
  runId: string,
  watcher: Watcher,
): Promise<void> {
  if (resumed !== undefined) await knownRun(context, resumed);
  else if (!yes && (await readRun(context, runId)) === null) {
    const options = {
      runId,
      engine: 'dataproc',
      mode,
      limit: limit ?? null,
      waveDeks: wave ?? null,
    } as const;
    const planned = await watcher.step('plan', () => plan(context, options), planSummary);
    await confirmSpending(context, planned, false);
  }
}
