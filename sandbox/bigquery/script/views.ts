import { GoogleError, invalidQuery } from '../../errors/google-error.ts';
import { isView } from '../duckdb/catalog.ts';
import { NO_KEYS } from '../duckdb/key-functions.ts';
import { at, closing, findTop, path } from '../translate/ranges.ts';
import type { Token } from '../translate/tokens.ts';
import { viewSql } from '../translate/view-query.ts';
import { fieldsOfQuery } from './query-fields.ts';
import type { Session } from './session.ts';

/**
 * CREATE [OR REPLACE] VIEW. BigQuery checks the query without running it, so no key is used.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#create_view_statement
 */
export async function createView(
  session: Session,
  tokens: readonly Token[],
  from: number,
  { replace, quiet }: { replace: boolean; quiet: boolean },
): Promise<string> {
  const { catalog } = session.backend;
  const { access } = session.options;
  const { parts, to } = path(tokens, from);
  const { dataset, name } = session.qualify(parts, 'View');
  let index = to;
  let description: string | undefined;
  if (at(tokens, index).upper === 'OPTIONS') {
    const end = closing(tokens, index + 1);
    const given = findTop(tokens, { from: index + 2, to: end }, (i) => at(tokens, i).upper === 'DESCRIPTION');
    if (given < end) description = at(tokens, given + 2).value;
    index = end + 1;
  }
  if (at(tokens, index).upper !== 'AS')
    throw invalidQuery('Syntax error: Expected keyword AS in CREATE VIEW');
  access.dataset('bigquery.tables.create', dataset);
  const known = catalog.findTable(dataset, name);
  if (known && quiet) return 'CREATE_VIEW';
  if (known && replace) access.table('bigquery.tables.update', dataset, name);
  if (known && !(replace && isView(known)))
    throw new GoogleError('ALREADY_EXISTS', `Already Exists: Table ${catalog.project}:${dataset}.${name}`);
  const query = tokens.slice(index + 1);
  const names = session.names(NO_KEYS, query);
  const { sql, bindings } = viewSql(query, names);
  const fields = await fieldsOfQuery(session.connection, sql, bindings);
  const view = {
    query: query
      .slice(0, -1)
      .map(({ text }) => text)
      .join(' '),
    useLegacySql: false,
  };
  const body = { view, ...(description === undefined ? {} : { description }) };
  await session.transaction.define(() => catalog.putView(session.connection, dataset, name, body, fields));
  return 'CREATE_VIEW';
}

export async function dropView(session: Session, parts: readonly string[]): Promise<void> {
  const { catalog } = session.backend;
  const { dataset, name } = session.qualify(parts, 'View');
  session.options.access.table('bigquery.tables.delete', dataset, name);
  if (!isView(catalog.table(dataset, name)))
    throw invalidQuery(`${catalog.project}:${dataset}.${name} is not a view`);
  await session.transaction.define(() => catalog.deleteTable(session.connection, dataset, name));
}
