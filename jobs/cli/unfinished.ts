import { ledgerRow } from '../contract/ledger.ts';
import { workflowEngines } from '../contract/workflow-engines.ts';
import type { RunContext } from '../run/context.ts';
import { isLive } from '../run/lease.ts';
import { aimed } from './aim.ts';
import { asking, type Terminal } from './asking.ts';
import type { TriggerOptions } from './trigger-options.ts';

/** A run that broke off and could go on. */
interface Unfinished {
  readonly runId: string;
  /** `run pr-123 (failed: kms-denied, 5 min ago) is unfinished`. */
  readonly words: string;
  /** The options that go on with it. */
  readonly goOn: string;
  /** Whether the workflow can. */
  readonly isWorkflows: boolean;
}

/**
 * The newest run that is neither merged nor abandoned and that nobody drives, unless a run that began after it has
 * succeeded and took its values; null where there is none.
 */
async function unfinishedRun({ bigquery, sql, deployment }: RunContext): Promise<Unfinished | null> {
  const rows = await bigquery.query(sql.unfinishedRuns, {});
  const waiting = rows.filter((row) => !isLive(ledgerRow(row), Number(row.silent_millis ?? 0)));
  const [first] = waiting.map(ledgerRow);
  if (first === undefined) return null;
  const minutes = Math.round((Date.now() - first.started_at) / 60_000);
  const others = waiting.length > 1 ? `, and ${waiting.length - 1} more` : '';
  return {
    runId: first.run_id,
    words: `run ${first.run_id} (${first.state}${first.error_code === null ? '' : `: ${first.error_code}`}, begun ${minutes} min ago) is unfinished${others}`,
    goOn: `--resume ${first.run_id}${first.via === 'workflow' ? ' --via workflow' : ''}`,
    isWorkflows: workflowEngines(deployment).some((engine) => engine === first.engine),
  };
}

/**
 * Says so where an earlier run is unfinished. On a terminal the user may go on with it instead of beginning a new one:
 * then its id is returned. Without one nobody is there to be asked, and what was asked for is done; so it is beside
 * `--via workflow` where the run goes on without it alone.
 */
export async function unfinishedToResume(
  context: RunContext,
  { runId, via }: Pick<TriggerOptions, 'runId' | 'via'>,
  terminal: Terminal | null,
  out: (text: string) => unknown,
): Promise<string | null> {
  const found = await unfinishedRun(context);
  if (found === null || found.runId === runId) return null;
  const canGoOn = via === 'job' || found.isWorkflows;
  if (terminal !== null && canGoOn)
    return (await wantsToResume(found, terminal, context.signal)) ? found.runId : null;
  const ways = `${found.goOn} goes on with it, \`reseal abandon ${found.runId}\` ends it`;
  out(aimed(`${found.words}: ${ways}; this is a new run\n`));
  return null;
}

/** Only the word for no, its first letter, or the end of the input declines. */
async function wantsToResume(
  { words }: Unfinished,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<boolean> {
  const questions = asking(terminal);
  try {
    const question = `${words}; go on with it instead of a new run? [Y/n] `;
    const answer = await questions.question(question, signal);
    return answer !== null && !/^\s*no?\s*$/i.test(answer);
  } finally {
    questions.close();
  }
}
