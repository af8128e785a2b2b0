import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

/** Python's standard library has what Node has not: a terminal for the child. */
const TERMINAL = fileURLToPath(new URL('terminal.py', import.meta.url));

export interface Shown {
  readonly screen: string;
  readonly code: number;
}

export const RESEAL = [process.execPath, 'bin/reseal.js'] as const;

/** Runs a command on a terminal, and types once the screen shows a pattern, or closes the terminal. */
export async function onTerminal(
  command: readonly string[],
  pattern: string,
  keys: string | 'hangup',
): Promise<Shown> {
  const child = spawn('python3', [TERMINAL, pattern, keys, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = (await text(child.stdout)).trimEnd().split('\n');
  return {
    code: Number(lines.pop()),
    screen: stripVTControlCharacters(lines.join('\n')).replaceAll('\r', ''),
  };
}

export const CTRL_D = '\x04';
