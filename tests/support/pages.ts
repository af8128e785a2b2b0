import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The pages that a reader is shown: README and everything in docs/. */
export const PAGES = [
  'README.md',
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** A fenced block of a page, without the indentation of a list that it stands in. */
export interface Block {
  /** `sh`, `sql`, `yaml`, `js`, `text` for what a command or statement prints, or nothing. */
  readonly language: string;
  readonly text: string;
  /** Of a `text` block that follows a block at once: that block. */
  readonly after: Block | undefined;
}

export function blocksOf(path: string): Block[] {
  const found: Block[] = [];
  let end = 0;
  const page = readFileSync(path, 'utf8');
  for (const match of page.matchAll(/^( *)```(\w*)\n([\s\S]*?)^ *```$/gm)) {
    const [all, indent = '', language = '', text = ''] = match;
    const before = found.at(-1);
    const after = language === 'text' && page.slice(end, match.index).trim() === '' ? before : undefined;
    found.push({ language, text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''), after });
    end = match.index + all.length;
  }
  return found;
}

/** The SQL of a page, block by block. */
export const sqlBlocks = (path: string): string[] =>
  blocksOf(path)
    .filter(({ language }) => language === 'sql')
    .map(({ text }) => text);

/** The commands of a shell block, each as its words; comments are left out. */
export const commandsIn = (text: string): string[][] =>
  text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map(words)
    .filter((command) => command.length > 0);

/** A command's words as a shell takes them, as far as pages need it: quotes, and comments at the end. */
export function words(line: string): string[] {
  const found: string[] = [];
  for (const [word] of line.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)) {
    if (word.startsWith('#')) break;
    found.push(word.replaceAll(/"([^"]*)"|'([^']*)'/g, '$1$2'));
  }
  return found;
}

/** What stands between single backticks: commands in sentences and tables. */
export const spansOf = (path: string): string[] =>
  [
    ...readFileSync(path, 'utf8')
      .replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')
      .matchAll(/`([^`\n]+)`/g),
  ].map(([, span]) => span ?? '');

/** The words behind the command line's own name, if it is that: `npm run reseal -- read` is `read`. */
export function resealArguments(command: readonly string[]): readonly string[] | undefined {
  const [first, second, third, ...rest] = command.filter((word) => word !== '-s');
  if (first === 'reseal') return [second, third, ...rest].filter((word) => word !== undefined);
  if (first === 'npx' && second === 'reseal') return [third, ...rest].filter((word) => word !== undefined);
  if (first !== 'npm' || second !== 'run') return undefined;
  const behind = rest[0] === '--' ? rest.slice(1) : rest;
  if (third === 'trigger') return ['trigger', ...behind];
  return third === 'reseal' ? behind : undefined;
}
