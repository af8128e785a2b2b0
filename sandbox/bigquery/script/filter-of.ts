import type { PartitionFilter } from '../duckdb/partition-filter.ts';
import { requireFilterIn, requireFilterInQuery } from '../translate/partition-filter.ts';
import { at, findTop, path } from '../translate/ranges.ts';
import type { Token } from '../translate/tokens.ts';
import { NOT_ALIAS } from '../translate/words.ts';

/**
 * The filter that a statement owes a table which it names at `place`: a dry run fails as the statement itself would.
 *
 * @throws GoogleError invalidQuery
 */
export function requireFilterOf(
  tokens: readonly Token[],
  place: number,
  isTarget: boolean,
  filter: PartitionFilter,
): void {
  const verb = at(tokens, 0).upper;
  if (isTarget && (verb === 'INSERT' || verb === 'TRUNCATE')) return;
  const alias = aliasAt(tokens, place);
  if (!isTarget || verb !== 'MERGE') {
    requireFilterInQuery(tokens, place, alias, filter);
    return;
  }
  const keyword = (from: number, word: string): number =>
    findTop(tokens, { from, to: tokens.length - 1 }, (index) => at(tokens, index).upper === word);
  const on = keyword(place, 'ON');
  requireFilterIn(tokens, { from: on + 1, to: keyword(on, 'WHEN') }, alias, filter);
}

/** What the table at `place` is called in its statement. */
function aliasAt(tokens: readonly Token[], place: number): string {
  const { parts, to } = path(tokens, place);
  const as = at(tokens, to).upper === 'AS';
  const next = at(tokens, as ? to + 1 : to);
  const isNamed = as || next.kind === 'quoted' || (next.kind === 'word' && !NOT_ALIAS.has(next.upper));
  return isNamed ? next.value : (parts.at(-1) ?? '');
}
