import { parseArgs } from 'node:util';
import type { HandOver } from '../contract/cloud-run.ts';
import { ResealError } from '../contract/errors.ts';
import { checkRunId } from '../contract/ids.ts';

/**
 * What the workflow started this execution with: the other end of `handOverArguments`.
 *
 * @throws ResealError `option`, `run-id`
 */
export function parseHandOver(argv: readonly string[]): HandOver {
  const { run = '', from = '', 'accept-rejected': acceptRejected } = optionsIn(argv);
  const id = checkRunId(run);
  if (from === '') throw notOurs('--from names the owner that hands the run over');
  if (acceptRejected !== 'yes' && acceptRejected !== 'no') throw notOurs('--accept-rejected is yes or no');
  return { run: id, from, acceptRejected };
}

function optionsIn(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = { run: text, from: text, 'accept-rejected': text };
  try {
    return parseArgs({ args: [...argv], options, strict: true }).values;
  } catch (error) {
    throw notOurs((error as Error).message);
  }
}

const notOurs = (message: string): ResealError =>
  new ResealError('option', message, {
    hint: 'the workflow starts this job; `npm run trigger` is the command for people',
  });
