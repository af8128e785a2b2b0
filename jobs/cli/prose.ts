import wrapAnsi from 'wrap-ansi';
import { columnsOfStdout } from './listing.ts';

/** Text that is read and not copied, behind an indent: on a terminal broken between words, no wider than it is. */
export function prose(text: string, indent: string, columns = columnsOfStdout()): string {
  const lines = columns === undefined ? text : wrapAnsi(text, Math.max(1, columns - indent.length));
  return lines
    .split('\n')
    .map((line) => `${indent}${line}\n`)
    .join('');
}
