import { at, closing, findTop, type Range } from './ranges.ts';
import type { Token } from './tokens.ts';
import { NOT_ALIAS, TAIL } from './words.ts';

/** What a token names, as names are compared. */
export const nameOf = (token: Token): string => token.value.toLowerCase();

/** The names that WITH clauses define. */
export function commonTables(tokens: readonly Token[]): Set<string> {
  const names = new Set<string>();
  for (let index = 0; index + 2 < tokens.length; index++) {
    if (at(tokens, index).upper !== 'WITH') continue;
    let cursor = index + 1;
    if (at(tokens, cursor).upper === 'RECURSIVE') cursor++;
    for (;;) {
      const name = at(tokens, cursor);
      let after = cursor + 1;
      if (at(tokens, after).text === '(') after = closing(tokens, after) + 1;
      if (at(tokens, after).upper !== 'AS' || at(tokens, after + 1).text !== '(') break;
      names.add(nameOf(name));
      cursor = closing(tokens, after + 1) + 1;
      if (at(tokens, cursor).text !== ',') break;
      cursor++;
    }
  }
  return names;
}

/** The expression after FOR SYSTEM_TIME AS OF that begins at `index`, if it does. */
export function snapshotRange(tokens: readonly Token[], index: number, to: number): Range | undefined {
  const words = ['FOR', 'SYSTEM_TIME', 'AS', 'OF'];
  if (!words.every((word, offset) => at(tokens, index + offset).upper === word)) return undefined;
  const from = index + words.length;
  const end = findTop(tokens, { from, to }, (i) => {
    const token = at(tokens, i);
    return token.text === ')' || token.text === ',' || NOT_ALIAS.has(token.upper);
  });
  return { from, to: end };
}

/**
 * The names that AS gives. One of a subquery is a column to the query around it; one of the outermost SELECT
 * list is a column only to its ORDER BY and the like, which begin at `tail`.
 */
export interface Aliases {
  inner: Set<string>;
  outermost: Set<string>;
  tail: number;
}

export function aliasesOf(tokens: readonly Token[]): Aliases {
  const aliases: Aliases = { inner: new Set(), outermost: new Set(), tail: Number.POSITIVE_INFINITY };
  let depth = 0;
  for (let index = 1; index < tokens.length; index++) {
    const token = at(tokens, index);
    if (token.text === '(') depth++;
    else if (token.text === ')') depth--;
    else if (depth === 0 && TAIL.has(token.upper)) aliases.tail = Math.min(aliases.tail, index);
    if (at(tokens, index - 1).upper !== 'AS') continue;
    (depth > 0 ? aliases.inner : aliases.outermost).add(nameOf(token));
  }
  return aliases;
}
