import { invalidQuery } from '../../errors/google-error.ts';
import type { Token } from './tokens.ts';

/** A stretch of a token list: from `from` up to, not including, `to`. */
export interface Range {
  from: number;
  to: number;
}

const OPEN: Record<string, string> = { '(': ')', '[': ']' };

/** The token at an index; the end token beyond the list. */
export function at(tokens: readonly Token[], index: number): Token {
  const token = tokens[index] ?? tokens.at(-1);
  if (!token) throw new RangeError('an empty token list');
  return token;
}

/** The index of the bracket that closes the one at `open`. */
export function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let index = open; index < tokens.length; index++) {
    const { kind, text } = at(tokens, index);
    if (kind !== 'symbol') continue;
    if (text in OPEN) depth++;
    else if ((text === ')' || text === ']') && --depth === 0) return index;
  }
  throw invalidQuery(`Syntax error: Expected "${OPEN[at(tokens, open).text]}" but got end of script`);
}

/** The first index in the range, outside brackets and CASE … END, for which `test` holds; else `to`. */
export function findTop(
  tokens: readonly Token[],
  { from, to }: Range,
  test: (index: number) => boolean,
): number {
  let cases = 0;
  for (let index = from; index < to; index++) {
    const token = at(tokens, index);
    if (cases === 0 && test(index)) return index;
    if (token.kind === 'symbol' && token.text in OPEN) index = closing(tokens, index);
    else if (token.upper === 'CASE') cases++;
    else if (token.upper === 'END' && cases > 0) cases--;
  }
  return to;
}

/** The parts of a range between its outermost commas. */
export function commas(tokens: readonly Token[], { from, to }: Range): Range[] {
  if (from >= to) return [];
  const parts: Range[] = [];
  let start = from;
  for (;;) {
    const comma = findTop(tokens, { from: start, to }, (index) => at(tokens, index).text === ',');
    parts.push({ from: start, to: comma });
    if (comma === to) return parts;
    start = comma + 1;
  }
}

/** A dotted name (`project.dataset.table`, `t.column`) and the index after it. */
export function path(tokens: readonly Token[], from: number): { parts: string[]; to: number } {
  const parts: string[] = [];
  let index = from;
  for (;;) {
    const token = at(tokens, index);
    if (token.kind === 'quoted') parts.push(...token.value.split('.'));
    else if (token.kind === 'word' || (parts.length > 0 && token.kind === 'number')) parts.push(token.text);
    else throw invalidQuery(`Syntax error: Expected a name but got "${token.text || 'end of script'}"`);
    index++;
    // Unquoted project ids may have dashes: my-project.dataset.table.
    while (
      parts.length === 1 &&
      at(tokens, index).text === '-' &&
      at(tokens, index).start === at(tokens, index - 1).end &&
      at(tokens, index + 1).start === at(tokens, index).end
    ) {
      parts[0] += `-${at(tokens, index + 1).text}`;
      index += 2;
    }
    if (at(tokens, index).text !== '.') return { parts, to: index };
    index++;
  }
}
