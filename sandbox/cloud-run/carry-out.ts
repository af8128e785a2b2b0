import { join } from 'node:path';
import type { RuleOf } from '../faults/rules.ts';
import { again, begin, type Execution, type Outcome } from './execution.ts';
import type { Log } from './log.ts';
import { runTask } from './task.ts';
import type { Task } from './template.ts';

/** An execution that is to be carried out. */
export interface Assignment {
  readonly execution: Execution;
  readonly task: Task;
  readonly log: Log;
  /** The folder that its file systems are made in. */
  readonly folder: string;
  readonly origin: string;
  /** The access token of its account. */
  readonly token: string;
  readonly fault: RuleOf<'execution'> | undefined;
  /** Asks for its end. */
  readonly stop: AbortSignal;
  /** Keeps what it shows. */
  readonly save: () => void;
}

const CANCELLED: Outcome = {
  count: 'cancelledCount',
  message: 'The execution was cancelled.',
  executionReason: 'CANCELLED',
};

/** Runs the task of an execution, again as often as it may be; how the execution ends. */
export async function carryOut(assignment: Assignment): Promise<Outcome> {
  const { execution, task, log, folder, fault, stop, save } = assignment;
  const [job = '', , id = ''] = execution.name.split('/').slice(-3);
  if (fault?.kind === 'execution-without-image')
    return {
      count: 'failedCount',
      message: `Image '${task.image}' not found.`,
      reason: 'CONTAINER_MISSING',
    };
  for (let attempt = 0; ; attempt++) {
    if (stop.aborted) return CANCELLED;
    const rule = attempt === 0 && fault?.kind === 'execution-killed' ? fault : undefined;
    const { signal: kill, heard } = killer(rule);
    const failure = await runTask(task, {
      ...assignment,
      job,
      id,
      attempt,
      root: join(folder, `${execution.uid}-${attempt}`),
      started() {
        begin(execution);
        save();
        heard('');
      },
      log: {
        write(text, source) {
          log.write(text, source);
          heard(text);
        },
      },
      kill,
    });
    if (stop.aborted) return CANCELLED;
    if (failure === undefined) return { count: 'succeededCount' };
    if (attempt < task.retries) {
      again(execution);
      continue;
    }
    return {
      count: 'failedCount',
      message: `Task ${id}-task0 failed with message: ${failure.message}`,
      ...(failure.exited ? { executionReason: 'NON_ZERO_EXIT_CODE' } : {}),
    };
  }
}

/** Gives its signal once a rule says so, by what it has heard; without a rule never. */
function killer(rule: RuleOf<'execution'> | undefined): { signal: AbortSignal; heard(text: string): void } {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    heard(text) {
      if (rule?.kind === 'execution-killed' && text.includes(rule.output))
        setTimeout(() => controller.abort(), rule.ms).unref();
    },
  };
}
