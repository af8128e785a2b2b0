import { writeFile } from 'node:fs/promises';
import { ResealError } from '../contract/errors.ts';
import { checkRunId, newRunId } from '../contract/ids.ts';
import type { Mode } from '../contract/sql/index.ts';
import type { EngineChoice, RunContext, Watcher } from '../run/context.ts';
import { estimate } from '../run/cost.ts';
import { plan } from '../run/plan.ts';
import { knownRun } from '../run/recorded-run.ts';
import type { Report } from '../run/report.ts';
import { resume, run } from '../run/run.ts';
import { runContext } from './connect.ts';
import { onInterrupt } from './interrupt.ts';
import { openTarget } from './open-target.ts';
import { reportPage } from './page/report-page.ts';
import type { Target, TargetOptions } from './target.ts';
import { plainWatcher, terminalWatcher } from './watch.ts';
import { planLines, reportLines } from './words.ts';

export interface TriggerOptions extends TargetOptions {
  readonly via: 'job' | 'workflow';
  readonly engine: EngineChoice;
  readonly mode: Mode;
  readonly limit?: number;
  readonly plan?: boolean;
  readonly resume?: string;
  readonly acceptRejected?: boolean;
  readonly runId?: string;
  readonly json?: boolean;
  readonly html?: string;
}

/** One run, or with --plan what it would be. */
export async function trigger(options: TriggerOptions): Promise<void> {
  const out = (text: string): boolean => (options.json ? process.stderr : process.stdout).write(text);
  if (options.resume !== undefined) checkRunId(options.resume);
  const runId = options.runId === undefined ? newRunId() : checkRunId(options.runId);
  checkVia(options);
  const interrupt = onInterrupt();
  const target = await openTarget(options, out);
  try {
    const context = await runContext(target, interrupt.signal);
    const { mode, limit = null } = options;
    const engine = options.via === 'workflow' ? 'dataproc' : options.engine;
    if (options.plan) return await showPlan(context, { runId, engine, mode, limit }, options.json ?? false);
    const report = await carriedOut(options, context, runId, await watcherFor(options), target);
    if (options.html !== undefined) await writeFile(options.html, reportPage(report));
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else if (report.selected > 0) out(`\n${reportLines(report)}\n${target.next}\n`);
    else out(`\nnothing was left to do; run ${report.run_id} is in the ledger\n${target.next}\n`);
  } finally {
    interrupt.done();
    await target.close();
  }
}

/** The run, new or resumed, by this process or by the workflow. */
async function carriedOut(
  options: TriggerOptions,
  context: RunContext,
  newId: string,
  watcher: Watcher,
  { endpoints }: Target,
): Promise<Report> {
  const { resume: resumed, engine, mode, limit = null } = options;
  const allowed = { rejected: options.acceptRejected ?? false };
  if (options.via === 'job')
    return resumed === undefined
      ? run(context, { runId: newId, engine, mode, limit }, watcher, allowed)
      : resume(context, resumed, watcher, allowed);
  const runId = resumed === undefined ? newId : (await knownRun(context, resumed)).run_id;
  const { runByWorkflow } = await import('../run/by-workflow.ts');
  return runByWorkflow(context, { runId, mode, limit }, allowed, watcher, endpoints);
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

async function showPlan(
  context: RunContext,
  options: Parameters<typeof plan>[1],
  json: boolean,
): Promise<void> {
  const planned = await plan(context, options);
  const { maxExecutors, kmsCallsPerSecond } = context.deployment.batch;
  const expected = estimate({ ...planned, maxExecutors, kmsCallsPerSecond });
  const { selected, distinctDeks, engine, mode } = planned;
  const shown = {
    engine,
    mode,
    selected,
    distinct_deks: distinctDeks,
    id_cutoff: planned.idCutoff,
    expected_kms_calls: expected.kmsCalls,
    expected_minutes: expected.minutes,
    expected_cost_usd: expected.costUsd,
  };
  process.stdout.write(json ? `${JSON.stringify(shown)}\n` : planLines(planned, expected));
}
