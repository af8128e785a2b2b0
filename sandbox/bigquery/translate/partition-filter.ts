import { invalidQuery } from '../../errors/google-error.ts';
import type { PartitionFilter } from '../duckdb/partition-filter.ts';
import { at, closing, findTop, type Range } from './ranges.ts';
import type { Token } from './tokens.ts';

/** What stands between a FROM clause and the end of its query. */
const AFTER_WHERE = new Set(['GROUP', 'HAVING', 'QUALIFY', 'WINDOW', 'ORDER', 'LIMIT']);
const SET_OPERATIONS = new Set(['UNION', 'INTERSECT', 'EXCEPT']);
/** What follows the condition of a join. */
const JOINS = new Set(['JOIN', 'LEFT', 'RIGHT', 'INNER', 'FULL', 'CROSS', 'NATURAL', ',', 'WHERE']);
const COMPARISONS = new Set(['=', '<', '<=', '>', '>=']);

/**
 * Requires that a query which reads a table of `require_partition_filter` has a condition on its partition column, in
 * its WHERE clause or in a join's. BigQuery also finds one in a query around it; that is not looked for here.
 * `index` is a token of the FROM clause.
 * https://cloud.google.com/bigquery/docs/querying-partitioned-tables#require_a_partition_filter_in_queries
 *
 * @throws GoogleError invalidQuery
 */
export function requireFilterInQuery(
  tokens: readonly Token[],
  index: number,
  alias: string,
  filter: PartitionFilter,
): void {
  const end = tokens.length - 1;
  const isWord = (words: ReadonlySet<string>) => (i: number) =>
    words.has(at(tokens, i).upper) || at(tokens, i).text === ')';
  const to = findTop(tokens, { from: index, to: end }, isWord(SET_OPERATIONS));
  const conditions: Range[] = [];
  for (let from = index; from < to; ) {
    const keyword = findTop(tokens, { from, to }, (i) => ['ON', 'WHERE'].includes(at(tokens, i).upper));
    const stops = at(tokens, keyword).upper === 'WHERE' ? AFTER_WHERE : new Set([...JOINS, ...AFTER_WHERE]);
    const stop = findTop(tokens, { from: keyword + 1, to }, isWord(stops));
    if (keyword < to) conditions.push({ from: keyword + 1, to: stop });
    from = stop;
  }
  if (!conditions.some((range) => prunes(tokens, range, alias, filter))) throw unfiltered(filter);
}

/** The same for a condition that is known: of a statement of DML, or of a read session. @throws GoogleError invalidQuery */
export function requireFilterIn(
  tokens: readonly Token[],
  condition: Range,
  alias: string,
  filter: PartitionFilter | undefined,
): void {
  if (filter !== undefined && !prunes(tokens, condition, alias, filter)) throw unfiltered(filter);
}

const unfiltered = ({ table, column }: PartitionFilter) =>
  invalidQuery(
    `Cannot query over table '${table}' without a filter over column(s) '${column}' that can be used for partition elimination`,
  );

/**
 * Whether a condition can leave partitions out: it compares the bare column with constants. Of conditions joined by AND
 * one has to, by OR each.
 */
function prunes(tokens: readonly Token[], range: Range, alias: string, filter: PartitionFilter): boolean {
  const { from, to } = range;
  if (from >= to) return false;
  if (at(tokens, from).text === '(' && closing(tokens, from) === to - 1)
    return prunes(tokens, { from: from + 1, to: to - 1 }, alias, filter);
  const either = parts(tokens, range, 'OR');
  if (either.length > 1) return either.every((part) => prunes(tokens, part, alias, filter));
  const both = parts(tokens, range, 'AND');
  if (both.length > 1) return both.some((part) => prunes(tokens, part, alias, filter));
  return compares(tokens, range, alias, filter);
}

/** The parts of a condition between an outermost connective; the AND of BETWEEN is none. */
function parts(tokens: readonly Token[], { from, to }: Range, connective: 'AND' | 'OR'): Range[] {
  const found: Range[] = [];
  let start = from;
  let between = false;
  findTop(tokens, { from, to }, (index) => {
    const { upper } = at(tokens, index);
    if (upper === 'BETWEEN') between = true;
    else if (upper === 'AND' && between) between = false;
    else if (upper === connective) {
      found.push({ from: start, to: index });
      start = index + 1;
    }
    return false;
  });
  return [...found, { from: start, to }];
}

function compares(
  tokens: readonly Token[],
  { from, to }: Range,
  alias: string,
  { column, columns }: PartitionFilter,
): boolean {
  const is = (index: number, name: string): boolean =>
    ['word', 'quoted'].includes(at(tokens, index).kind) &&
    at(tokens, index).value.toLowerCase() === name.toLowerCase();
  const qualified = is(from, alias) && at(tokens, from + 1).text === '.';
  const place = qualified ? from + 2 : from;
  if (!is(place, column)) return false;
  const rest = { from: place + 2, to };
  const { upper, text } = at(tokens, place + 1);
  if (upper === 'IS') return at(tokens, to - 1).upper === 'NULL';
  const isConstant = tokens
    .slice(rest.from, rest.to)
    .every(
      ({ kind, upper: word, text: sign, value }) =>
        word !== 'SELECT' && sign !== '.' && !(kind !== 'string' && columns.has(value.toLowerCase())),
    );
  return isConstant && (COMPARISONS.has(text) || upper === 'BETWEEN' || upper === 'IN');
}
