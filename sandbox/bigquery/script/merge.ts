import { invalidQuery } from '../../errors/google-error.ts';
import { bound } from '../duckdb/engine.ts';
import { quote } from '../duckdb/types.ts';
import { requireFilterIn } from '../translate/partition-filter.ts';
import { at, closing, type Range } from '../translate/ranges.ts';
import type { Rewriter } from '../translate/rewrite.ts';
import type { Token } from '../translate/tokens.ts';
import { assignments, type Changes, ending, keyword, NONE, names, setList, target } from './dml-target.ts';
import { matchedTwice, mergeUpdate } from './merge-update.ts';
import type { Session } from './session.ts';

/** MERGE: https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax#merge_statement */
export async function merge(session: Session, tokens: readonly Token[]): Promise<Changes> {
  const found = target(session, tokens, at(tokens, 1).upper === 'INTO' ? 2 : 1);
  const end = ending(tokens);
  if (at(tokens, found.to).upper !== 'USING') throw invalidQuery('Syntax error: Expected keyword USING');
  const on = keyword(tokens, { from: found.to, to: end }, 'ON');
  const clauses = whenClauses(tokens, on, end);
  // BigQuery also takes it from the conditions of all WHEN clauses; that is not looked for here.
  requireFilterIn(tokens, { from: on + 1, to: clauses[0]?.from ?? end }, found.alias, found.ref.filter);
  const parts = (rewriter: Rewriter) => {
    rewriter.learn(found.ref);
    const source = rewriter.rewrite({ from: found.to + 1, to: on }, { expectTable: true });
    const condition = rewriter.rewrite({ from: on + 1, to: clauses[0]?.from ?? end });
    const into = `${found.ref.sql} AS ${quote(found.alias)}`;
    return { source, condition, into };
  };
  const kinds = new Set(clauses.map((clause) => clause.action));
  const [only] = clauses;
  const { table } = found;
  if (table && only && clauses.length === 1 && only.matched && only.action === 'updated') {
    const updated = await mergeUpdate(session, tokens, table, (rewriter) => ({
      ...parts(rewriter),
      alias: found.alias,
      test: only.test ? rewriter.rewrite(only.test) : 'TRUE',
      set: assignments(rewriter, { from: only.body.from + 1, to: only.body.to }),
    }));
    return { ...NONE, updated };
  }
  const compiled = await session.compile(tokens, (rewriter) => {
    const { source, condition, into } = parts(rewriter);
    const actions = clauses.map((clause) => writeClause(rewriter, clause)).join('\n');
    const returning = kinds.size > 1 ? ' RETURNING merge_action' : '';
    return `MERGE INTO ${into} USING ${source} ON (${condition}) ${actions}${returning}`;
  });
  // DuckDB would apply one of several source rows; BigQuery rejects the statement.
  const matched = clauses.filter((clause) => clause.matched);
  const check = await session.compile(tokens, (rewriter) => {
    const { source, condition, into } = parts(rewriter);
    const applies = matched.map(({ test }) => (test ? `(${rewriter.rewrite(test)})` : 'TRUE'));
    return `SELECT 1 FROM ${into} JOIN ${source} ON (${condition}) WHERE ${applies.join(' OR ')} GROUP BY ${quote(found.alias)}.rowid HAVING count(*) > 1 LIMIT 1`;
  });
  try {
    return await session.transaction.change(found.table, async () => {
      const { connection } = session;
      if (matched.length > 0) {
        const twice = await connection.runAndReadAll(check.sql, bound(check.values));
        if (twice.currentRowCount > 0) {
          throw matchedTwice();
        }
      }
      if (kinds.size === 1) {
        const count = (await connection.run(compiled.sql, bound(compiled.values))).rowsChanged;
        const [kind] = kinds;
        return { ...NONE, [kind ?? 'updated']: count };
      }
      return count(await connection.runAndReadAll(compiled.sql, bound(compiled.values)));
    });
  } finally {
    compiled.close();
    check.close();
  }
}

/** Counts the actions that `RETURNING merge_action` lists. */
function count(reader: { getRows(): unknown[][] }): Changes {
  const changes = { ...NONE };
  for (const [action] of reader.getRows()) {
    if (action === 'INSERT') changes.inserted++;
    else if (action === 'DELETE') changes.deleted++;
    else changes.updated++;
  }
  return changes;
}

interface WhenClause extends Range {
  matched: boolean;
  bySource: boolean;
  test: Range | undefined;
  action: keyof Changes;
  /** What follows THEN and the action's keyword. */
  body: Range;
}

function whenClauses(tokens: readonly Token[], from: number, end: number): WhenClause[] {
  const clauses: WhenClause[] = [];
  let index = keyword(tokens, { from, to: end }, 'WHEN');
  while (index < end) {
    const next = keyword(tokens, { from: index + 1, to: end }, 'WHEN');
    const then = keyword(tokens, { from: index, to: next }, 'THEN');
    const words = tokens.slice(index, then).map((token) => token.upper);
    const and = keyword(tokens, { from: index, to: then }, 'AND');
    const verb = at(tokens, then + 1).upper;
    const action = ({ UPDATE: 'updated', INSERT: 'inserted', DELETE: 'deleted' } as const)[verb];
    if (!action) throw invalidQuery('Syntax error: Expected UPDATE, INSERT or DELETE in MERGE');
    clauses.push({
      from: index,
      to: next,
      matched: words[1] === 'MATCHED',
      bySource: words.includes('BY') && words.includes('SOURCE'),
      test: and < then ? { from: and + 1, to: then } : undefined,
      action,
      body: { from: then + 2, to: next },
    });
    index = next;
  }
  if (clauses.length === 0) throw invalidQuery('Syntax error: Expected keyword WHEN in MERGE');
  return clauses;
}

function writeClause(rewriter: Rewriter, clause: WhenClause): string {
  const { tokens } = rewriter;
  const kind = clause.matched ? 'MATCHED' : clause.bySource ? 'NOT MATCHED BY SOURCE' : 'NOT MATCHED';
  const test = clause.test ? ` AND (${rewriter.rewrite(clause.test)})` : '';
  return `WHEN ${kind}${test} THEN ${action()}`;

  function action(): string {
    const { body } = clause;
    if (clause.action === 'deleted') return 'DELETE';
    if (clause.action === 'updated') {
      return `UPDATE SET ${setList(assignments(rewriter, { from: body.from + 1, to: body.to }))}`;
    }
    if (at(tokens, body.from).upper === 'ROW') return 'INSERT *';
    let values = body.from;
    let columns = '';
    if (at(tokens, values).text === '(') {
      const end = closing(tokens, values);
      columns = `(${names(tokens, { from: values + 1, to: end })
        .map(quote)
        .join(', ')}) `;
      values = end + 1;
    }
    if (at(tokens, values).upper === 'ROW') return `INSERT ${columns}*`;
    return `INSERT ${columns}${rewriter.rewrite({ from: values, to: body.to })}`;
  }
}
