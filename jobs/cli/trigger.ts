import { writeFile } from 'node:fs/promises';
import { checkRunId, newRunId } from '../ids.ts';
import type { EngineChoice, RunContext } from '../run/context.ts';
import { estimate } from '../run/cost.ts';
import { plan } from '../run/plan.ts';
import { resume, run, type Watcher } from '../run/run.ts';
import type { Mode } from '../sql.ts';
import { runContext } from './context.ts';
import { onInterrupt } from './interrupt.ts';
import { planLines, reportLines, reportPage } from './print.ts';
import { openTarget, type TargetOptions } from './target.ts';
import { plainWatcher, terminalWatcher } from './watch.ts';

export interface TriggerOptions extends TargetOptions {
  readonly engine: EngineChoice;
  readonly mode: Mode;
  readonly limit?: number;
  readonly plan?: boolean;
  readonly resume?: string;
  readonly runId?: string;
  readonly json?: boolean;
  readonly html?: string;
}

/** One run, or with --plan what it would be. */
export async function trigger(options: TriggerOptions): Promise<void> {
  const out = (text: string): boolean => (options.json ? process.stderr : process.stdout).write(text);
  const resumed = options.resume === undefined ? undefined : checkRunId(options.resume);
  const runId = options.runId === undefined ? newRunId() : checkRunId(options.runId);
  const interrupt = onInterrupt();
  const target = await openTarget(options, out);
  try {
    const context = await runContext(target, interrupt.signal);
    const { engine, mode, limit = null } = options;
    if (options.plan) return await showPlan(context, { runId, engine, mode, limit }, options.json ?? false);
    const watcher = await watcherFor(options);
    const report =
      resumed === undefined
        ? await run(context, { runId, engine, mode, limit }, watcher)
        : await resume(context, resumed, watcher);
    if (options.html !== undefined) await writeFile(options.html, reportPage(report));
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else if (report.selected > 0) out(`\n${reportLines(report)}\n${target.next}\n`);
    else out(`\nnothing was left to do; run ${report.run_id} is in the ledger\n${target.next}\n`);
  } finally {
    interrupt.done();
    await target.close();
  }
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
