import { parseArgs } from 'node:util';
import type { HandOver } from '../contract/cloud-run.ts';
import { ResealError } from '../contract/errors.ts';
import { checkRunId } from '../contract/ids.ts';

/** What the workflow started this execution with: the other end of `handOverArguments`. Throws ResealError `option`, `run-id`. */
export function handOver(argv: readonly string[]): HandOver {
  const text = { type: 'string' } as const;
  try {
    const options = { run: text, from: text, 'accept-rejected': text };
    const { values } = parseArgs({ args: [...argv], options, strict: true });
    const { run = '', from = '', 'accept-rejected': acceptRejected = 'no' } = values;
    return { run: checkRunId(run), from, acceptRejected };
  } catch (error) {
    if (error instanceof ResealError) throw error;
    throw new ResealError('option', (error as Error).message, {
      hint: 'the workflow starts this job; `npm run trigger` is the command for people',
    });
  }
}
