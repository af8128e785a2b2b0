import { ResealError } from '../contract/errors.ts';
import { asking } from './asking.ts';

/**
 * Asks on the terminal before something that cannot be undone; `answer` is what has to be typed. Without a terminal
 * the caller has to say --yes. Throws ResealError `not-confirmed`.
 */
export async function confirm(
  question: string,
  answer: string,
  yes: boolean,
  signal = new AbortController().signal,
): Promise<void> {
  if (yes) return;
  const hint = 'nothing was changed; --yes confirms it without a question';
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new ResealError('not-confirmed', `${question} There is no terminal to confirm it on.`, { hint });
  const terminal = asking({ input: process.stdin, output: process.stderr });
  try {
    const given = await terminal.question(`${question}\nType ${answer} to go on: `, signal);
    if (given?.trim() !== answer) throw new ResealError('not-confirmed', 'not confirmed', { hint });
  } finally {
    terminal.close();
  }
}
