import { ResealError } from '../contract/errors.ts';
import { checkNewRunId, checkRunId, newRunId } from '../contract/ids.ts';
import { unlessAborted } from '../google/bounds.ts';
import type { RunContext, Watcher } from '../run/context.ts';
import type { Report } from '../run/report.ts';
import { linksOf } from './console-links.ts';
import { Interrupted } from './exit.ts';
import { onInterrupt, type Told } from './interrupt.ts';
import { explained, ofRun, type RunAtHand, setRunAtHand } from './of-run.ts';
import { openTarget } from './open-target.ts';
import { writablePage } from './page/file.ts';
import type { Target } from './target.ts';
import type { TriggerOptions } from './trigger-options.ts';
import { plainWatcher, terminalWatcher } from './watch.ts';
import { linkLines, reportLines } from './words.ts';

/** One run, or with --plan what it would be. `given` names the options that the caller wrote. */
export async function trigger(asked: TriggerOptions, given: readonly string[]): Promise<void> {
  const json = asked.json ?? false;
  const out = (text: string): boolean => (json ? process.stderr : process.stdout).write(text);
  checkOptions(asked, given);
  const fresh = newRunId();
  let options = asked;
  const interrupt = onInterrupt(json);
  let target: Target | undefined;
  let connected: RunContext | undefined;
  let atHand: RunAtHand | null = null;
  try {
    const page = await writablePage(options, options.resume ?? options.runId ?? fresh);
    const opening = openTarget(options, (text) => process.stderr.write(text));
    const loading = import('./carry-out.ts');
    const opened = await unlessAborted(opening, interrupt.signal);
    target = opened;
    const job = await loading;
    const context = await job.runContext(opened, interrupt.signal);
    connected = context;
    await job.checkReady(context);
    const { engine, via, mode, limit = null, wave: waveDeks = null } = options;
    if (via === 'workflow') {
      const { checkWorkflow } = await import('../run/by-workflow.ts');
      checkWorkflow(context, engine);
    }
    if (options.plan)
      return await job.showPlan(
        context,
        { runId: fresh, engine, via, mode, limit, waveDeks },
        json,
        opened.endpoints,
      );
    if (options.resume === undefined) {
      const asks = !json && !NEW_RUNS_ONLY.some((name) => given.includes(name));
      const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
      const terminal = asks && isTerminal ? { input: process.stdin, output: process.stdout } : null;
      const chosen = await job.unfinishedToResume(context, options, terminal, out);
      if (chosen !== null) options = { ...options, resume: chosen };
    }
    const runId = options.resume ?? options.runId ?? fresh;
    interrupt.begun(...underWay(runId, options.via));
    atHand = { id: runId, via: options.via };
    setRunAtHand(atHand);
    const watcher = keeping(await watcherFor(options), opened);
    if (options.detach) return await job.detached(options, context, runId, watcher, opened);
    const write = async (made: Report): Promise<void> =>
      page?.write(({ runPage }) => runPage(context, made, linksOf(opened, made)));
    const report = await job.carriedOut(options, context, runId, watcher, opened).catch(async (error) => {
      // After an interrupt there is no time left for it.
      if (page !== null && !interrupt.signal.aborted) await job.reportFailed(context, runId, write);
      throw error;
    });
    await write(report);
    const { next } = opened;
    if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else if (report.selected || report.rewrapped || report.erased)
      out(`\n${reportLines(report)}${linkLines(opened, report)}\n${next}\n`);
    else out(`\nnothing was left to do; run ${report.run_id} is in the ledger\n${next}\n`);
  } catch (error) {
    if (connected === undefined || options.plan) throw interrupt.ended(error);
    const run = atHand ?? { id: options.resume ?? options.runId ?? fresh, via: options.via };
    const isNew = atHand === null && run.id === fresh;
    const failed = interrupt.signal.aborted ? error : await failure(error, connected, run, isNew);
    const ended = interrupt.ended(failed);
    throw atHand !== null && ended instanceof Interrupted ? ofRun(ended, run.id) : ended;
  } finally {
    setRunAtHand(null);
    await target?.close();
    interrupt.done();
  }
}

/** What to say of a run whose end was not waited for, and of one that was interrupted before its first step or after the merge. */
function underWay(runId: string, via: TriggerOptions['via']): [Told, Told] {
  const goOn = `go on with --resume ${runId}${via === 'workflow' ? ' --via workflow' : ''}`;
  return [
    {
      message: `run ${runId} was left as it stands; its end was not waited for`,
      hint: `a batch, an execution or a job of BigQuery may still be at work, and the ledger may say so; ${goOn}`,
    },
    {
      message: `run ${runId} was interrupted while it was planned or reported`,
      hint: `\`npm run reseal -- history\` shows whether it has merged; if the ledger has it, ${goOn}`,
    },
  ];
}

/** What the command ends with: the failure, and how its run goes on. Of one that is new to the ledger that is known. */
async function failure(
  error: unknown,
  context: RunContext,
  run: RunAtHand,
  isNew: boolean,
): Promise<ResealError> {
  const { foundInLedger } = await import('./carry-out.ts');
  return explained(error, run, isNew ? null : await foundInLedger(context, run.id));
}

/** Once a step after the plan begins, the run has begun, and the target is as the options said. */
const keeping = (watcher: Watcher, target: Target): Watcher => ({
  async step(name, work, summary) {
    if (name !== 'plan') await target.keep();
    return watcher.step(name, work, summary);
  },
});

/** What a resumed run has from its plan, and what would leave nothing to resume. */
const NEW_RUNS_ONLY = ['mode', 'limit', 'wave', 'engine', 'runId', 'fresh', 'plan'] as const;

/** Throws ResealError for options that do not go together. */
function checkOptions(options: TriggerOptions, given: readonly string[]): void {
  if (options.resume !== undefined) checkRunId(options.resume);
  if (options.runId !== undefined) checkNewRunId(options.runId);
  const without =
    options.resume === undefined ? undefined : NEW_RUNS_ONLY.find((name) => given.includes(name));
  if (without !== undefined) {
    const flag = `--${without.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new ResealError('option-resume', `--resume takes no ${flag}: a run goes on as it was planned`, {
      hint: `leave ${flag} out, or start a new run without --resume`,
    });
  }
  if (options.takeOver && options.resume === undefined && options.runId === undefined)
    throw new ResealError('option-take-over', '--take-over needs --resume: a new run has no other driver', {
      hint: 'name the run with --resume, or leave --take-over out',
    });
  if (options.detach && options.via === 'job')
    throw new ResealError(
      'option-detach',
      '--detach needs --via workflow: a run by this process must stay to merge',
      {
        hint: 'add --via workflow, or leave --detach out',
      },
    );
  checkPage(options);
  checkVia(options);
}

/** Neither a plan nor a run that is left to the cloud has a report. */
function checkPage({ html, open, plan, detach }: TriggerOptions): void {
  const without = plan ? '--plan' : detach ? '--detach' : undefined;
  if (without === undefined || (html === undefined && !open)) return;
  const flag = html === undefined ? '--open' : '--html';
  throw new ResealError('option-page', `${without} takes no ${flag}: there is no report to show yet`, {
    hint: `leave ${flag} out; \`npm run reseal -- show RUN ${flag}${html === undefined ? '' : ' FILE'}\` makes the page of a run that has ended`,
  });
}

function checkVia({ via, stack, engine }: TriggerOptions): void {
  if (via === 'job') return;
  if (stack === undefined)
    throw new ResealError('option-stack', '--via workflow needs --stack', {
      hint: 'the sandbox runs no workflows: leave --via out, or name a stack',
    });
  if (engine === 'direct')
    throw new ResealError('option-engine', 'no workflow has the direct engine', {
      hint: 'leave --engine or --via out',
    });
}

async function watcherFor({ json }: TriggerOptions): Promise<Watcher> {
  if (json) return plainWatcher(() => {});
  // A terminal that does not know its width would get a letter a line.
  if (process.stdout.isTTY && process.stdout.columns >= 40) return terminalWatcher();
  return plainWatcher((line) => process.stdout.write(line));
}
