import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ResealError } from '../contract/errors.ts';
import { checkRunId, newRunId } from '../contract/ids.ts';
import type { Mode } from '../contract/sql/index.ts';
import { unlessAborted } from '../google/bounds.ts';
import type { EngineChoice, RunContext, Watcher } from '../run/context.ts';
import { knownRun } from '../run/recorded-run.ts';
import type { Report } from '../run/report.ts';
import { resume, run } from '../run/run.ts';
import { runContext } from './connect.ts';
import { onInterrupt } from './interrupt.ts';
import { openTarget } from './open-target.ts';
import { reportPage } from './page/report-page.ts';
import { showPlan } from './plan.ts';
import type { Target, TargetOptions } from './target.ts';
import { plainWatcher, terminalWatcher } from './watch.ts';
import { reportLines } from './words.ts';

export interface TriggerOptions extends TargetOptions {
  readonly via: 'job' | 'workflow';
  readonly engine: EngineChoice;
  readonly mode: Mode;
  readonly limit?: number;
  readonly plan?: boolean;
  readonly resume?: string;
  readonly acceptRejected?: boolean;
  readonly runId?: string;
  readonly detach?: boolean;
  readonly json?: boolean;
  readonly html?: string;
}

/** One run, or with --plan what it would be. `given` names the options that the caller wrote. */
export async function trigger(options: TriggerOptions, given: readonly string[]): Promise<void> {
  const json = options.json ?? false;
  const out = (text: string): boolean => (json ? process.stderr : process.stdout).write(text);
  checkOptions(options, given);
  const runId = options.resume ?? options.runId ?? newRunId();
  const interrupt = onInterrupt(json);
  let target: Target | undefined;
  try {
    if (options.html !== undefined) await writableFile(options.html);
    target = await unlessAborted(openTarget(options, out), interrupt.signal);
    const context = await runContext(target, interrupt.signal);
    const { mode, limit = null } = options;
    const engine = options.via === 'workflow' ? 'dataproc' : options.engine;
    if (options.plan) return await showPlan(context, { runId, engine, mode, limit }, json);
    interrupt.begun(
      runId,
      `go on with --resume ${runId}${options.via === 'workflow' ? ' --via workflow' : ''}`,
    );
    if (options.detach) return await detached(options, context, runId, target);
    const watcher = keeping(await watcherFor(options), target);
    const report = await carriedOut(options, context, runId, watcher, target);
    if (options.html !== undefined) await writeFile(options.html, reportPage(report));
    if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else if (report.selected > 0 || report.erased > 0) out(`\n${reportLines(report)}\n${target.next}\n`);
    else out(`\nnothing was left to do; run ${report.run_id} is in the ledger\n${target.next}\n`);
  } catch (error) {
    throw interrupt.ended(error);
  } finally {
    await target?.close();
    interrupt.done();
  }
}

/** Once a step after the plan begins, the run has begun, and the target is as the options said. */
const keeping = (watcher: Watcher, target: Target): Watcher => ({
  async step(name, work, summary) {
    if (name !== 'plan') await target.keep();
    return watcher.step(name, work, summary);
  },
});

/** Learns before the run, and not from a lost report, that the file cannot be written. */
async function writableFile(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await (await open(path, 'a')).close();
  } catch (error) {
    throw new ResealError('option-html', `the report cannot be written to ${path}`, {
      hint: 'name a file in a folder that you may write to',
      cause: error,
    });
  }
}

/** Starts the workflow's execution and says how to follow it. */
async function detached(
  { stack, resume: resumed, mode, limit, acceptRejected, json }: TriggerOptions,
  context: RunContext,
  runId: string,
  { endpoints }: Target,
): Promise<void> {
  if (resumed !== undefined) await knownRun(context, resumed);
  const { startWorkflow } = await import('../run/by-workflow.ts');
  const execution = await startWorkflow(
    context,
    { runId, mode, limit: limit ?? null },
    { rejected: acceptRejected ?? false },
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
async function carriedOut(
  options: TriggerOptions,
  context: RunContext,
  runId: string,
  watcher: Watcher,
  { endpoints }: Target,
): Promise<Report> {
  const { resume: resumed, engine, mode, limit = null } = options;
  const allowed = { rejected: options.acceptRejected ?? false };
  if (options.via === 'job')
    return resumed === undefined
      ? run(context, { runId, engine, mode, limit }, watcher, allowed)
      : resume(context, runId, watcher, allowed);
  if (resumed !== undefined) await knownRun(context, resumed);
  const { runByWorkflow } = await import('../run/by-workflow.ts');
  return runByWorkflow(context, { runId, mode, limit }, allowed, watcher, endpoints);
}

/** What a resumed run has from its plan, and what would leave nothing to resume. */
const NEW_RUNS_ONLY = ['mode', 'limit', 'engine', 'runId', 'fresh', 'plan'] as const;

/** Throws ResealError for options that do not go together. */
function checkOptions(options: TriggerOptions, given: readonly string[]): void {
  if (options.resume !== undefined) checkRunId(options.resume);
  if (options.runId !== undefined) checkRunId(options.runId);
  const without =
    options.resume === undefined ? undefined : NEW_RUNS_ONLY.find((name) => given.includes(name));
  if (without !== undefined) {
    const flag = `--${without.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new ResealError('option-resume', `--resume takes no ${flag}: a run goes on as it was planned`, {
      hint: `leave ${flag} out, or start a new run without --resume`,
    });
  }
  if (options.detach && options.via === 'job')
    throw new ResealError(
      'option-detach',
      '--detach needs --via workflow: a run by this process must stay to merge',
      {
        hint: 'add --via workflow, or leave --detach out',
      },
    );
  checkVia(options);
}

function checkVia({ via, stack, engine }: TriggerOptions): void {
  if (via === 'job') return;
  if (stack === undefined)
    throw new ResealError('option-stack', '--via workflow needs --stack', {
      hint: 'the sandbox runs no workflows: leave --via out, or name a stack',
    });
  if (engine === 'direct')
    throw new ResealError('option-engine', 'the workflow always takes a batch', {
      hint: 'leave --engine or --via out',
    });
}

async function watcherFor({ json }: TriggerOptions): Promise<Watcher> {
  if (json) return plainWatcher(() => {});
  // A terminal that does not know its width would get a letter a line.
  if (process.stdout.isTTY && process.stdout.columns >= 40) return terminalWatcher();
  return plainWatcher((line) => process.stdout.write(line));
}
