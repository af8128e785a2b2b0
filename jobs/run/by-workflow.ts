import type { ExecutionsClient } from '@google-cloud/workflows';
import { ERROR_CODES } from '../contract/error-codes.ts';
import { ResealError } from '../contract/errors.ts';
import { workflowEngines } from '../contract/workflow-engines.ts';
import { within } from '../google/bounds.ts';
import { type Endpoints, executionsClient } from '../google/clients.ts';
import type { Allowed, EngineChoice, RunContext, RunOptions, Watcher } from './context.ts';
import { isClosed } from './lease.ts';
import { readRun } from './recorded-run.ts';
import { type Report, report } from './report.ts';
import { mergeSummary, reportSummary } from './summaries.ts';
import { followed, nameOf, startExecution } from './workflow-execution.ts';
import { cancelled, outcome } from './workflow-outcome.ts';

/**
 * Has the stack's deployed workflow do the run, follows its steps and reports as the job does. The run id is
 * given along, so that the ledger's row can be found; a run that broke off goes on under its own.
 *
 * @throws ResealError with the code that the workflow raised, the job's own for what befalls a run; `workflow-failed`
 * where it raised none; `option-engine`, `workflow-missing`, `workflow-denied`, `workflow-cancelled`, or `cancelled` once the context's signal has been given
 */
export async function runByWorkflow(
  context: RunContext,
  options: RunOptions,
  allowed: Allowed,
  watcher: Watcher,
  endpoints?: Endpoints,
): Promise<Report> {
  return withExecutions(context, endpoints, async (client, workflow) => {
    const run = await watcher.step(
      'run',
      async (progress) => {
        await checkRun(context, options);
        const execution = await startExecution(client, workflow, options, allowed, context.signal);
        const ended = await followed(client, execution, progress, context).catch((error: unknown) => {
          if (!context.signal.aborted) throw error;
          // It was cancelled, or could not be; either way nobody waits for it any longer.
          return cancelled(context, options.runId, execution, error);
        });
        return 'run_id' in ended ? ended : outcome(context, options.runId, ended);
      },
      mergeSummary,
    );
    return watcher.step('report', () => report(context, run), reportSummary);
  });
}

/**
 * Starts the workflow and leaves it to itself; returns the execution's resource name.
 *
 * @throws ResealError `workflow-missing`, `workflow-denied`, `workflow-failed`, `option-engine`
 */
export const startWorkflow = (
  context: RunContext,
  options: RunOptions,
  allowed: Allowed,
  endpoints?: Endpoints,
): Promise<string> =>
  withExecutions(context, endpoints, async (client, workflow) => {
    await checkRun(context, options);
    return nameOf(await startExecution(client, workflow, options, allowed, context.signal));
  });

/**
 * Whether the stack has a workflow, with that engine.
 *
 * @throws ResealError `workflow-missing`, `option-engine`
 */
export function checkWorkflow(context: Pick<RunContext, 'deployment'>, engine: EngineChoice): void {
  workflowOf(context);
  if (!hasNot(context, engine)) return;
  throw otherEngine(`the workflow of this stack has no engine ${engine}`);
}

/** The same, for a run that may have begun with an engine already. */
async function checkRun(context: RunContext, { runId, engine }: RunOptions): Promise<void> {
  checkWorkflow(context, engine);
  const found = await readRun(context, runId);
  if (found === null || isClosed(found) || !hasNot(context, found.engine)) return;
  throw otherEngine(
    `run ${runId} goes on by engine ${found.engine}, as it began, which the workflow of this stack does not have`,
  );
}

const hasNot = ({ deployment }: Pick<RunContext, 'deployment'>, engine: EngineChoice): boolean =>
  engine !== 'auto' && !workflowEngines(deployment).some((one) => one === engine);

const otherEngine = (message: string): ResealError =>
  new ResealError('option-engine', message, { hint: ERROR_CODES['option-engine'].remedy });

/** The connection is closed in good order within this time, or left to the end of the process. */
const CLOSE_MS = 1_000;

/** The workflow's resource name. Throws ResealError `workflow-missing`. */
function workflowOf({ deployment: { workflow, stack, engines } }: Pick<RunContext, 'deployment'>): string {
  if (workflow !== null) return workflow;
  const deploys = 'run `npm run bundle` and `pulumi up`, or leave --via workflow out';
  throw new ResealError('workflow-missing', `stack ${stack} deploys no workflow`, {
    hint:
      engines.includes('dataproc') || engines.includes('bigquery')
        ? deploys
        : `add dataproc or bigquery to reseal:engines, then ${deploys}`,
  });
}

async function withExecutions<T>(
  context: RunContext,
  endpoints: Endpoints | undefined,
  work: (client: ExecutionsClient, workflow: string) => Promise<T>,
): Promise<T> {
  const workflow = workflowOf(context);
  const client = await executionsClient(endpoints);
  try {
    return await work(client, workflow);
  } finally {
    await within(CLOSE_MS, client.close(), () => new Error('late')).catch(() => {});
  }
}
