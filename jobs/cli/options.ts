import { type Command, InvalidArgumentError } from 'commander';
import { DEFAULT_STATE } from './aim.ts';

/** The values of options that several commands take. */

export function wholeNumber(text: string): number {
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw new InvalidArgumentError('a whole number from 1 is needed.');
  return Number(text);
}

export function collected(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const [, key, value] = /^([A-Za-z]\w*)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) throw new InvalidArgumentError('key=value is needed.');
  return { ...before, [key]: value };
}

/** Where a command works: a stack, or the sandbox in this folder. */
export function withTarget(command: Command): Command {
  return command
    .option('--stack <name>', 'work on this Pulumi stack; without it, on the sandbox in --state')
    .option('--state <folder>', "the sandbox's folder", DEFAULT_STATE);
}

/** A list of rows for a program instead of a table for people. */
export function withFormats(command: Command): Command {
  return command
    .option('--json', 'as NDJSON, an object a line')
    .option('--csv', 'as CSV with a head (RFC 4180)');
}

/** A page of its own beside what is printed. */
export function withPage(command: Command, what: string): Command {
  return command
    .option('--html <file>', `also write ${what} as a page: one file, nothing fetched`)
    .option('--open', 'open that page in the browser');
}
