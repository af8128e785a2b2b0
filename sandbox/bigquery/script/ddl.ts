import { GoogleError, invalidQuery } from '../../errors/google-error.ts';
import type { Json } from '../../http/router.ts';
import { tableSql } from '../duckdb/catalog.ts';
import { bound } from '../duckdb/engine.ts';
import { columnsOf } from '../duckdb/schema.ts';
import { quote, sqlType } from '../duckdb/types.ts';
import { at, closing, commas, findTop, path, type Range } from '../translate/ranges.ts';
import type { Token } from '../translate/tokens.ts';
import type { Statement } from './parse.ts';
import { fieldsOfQuery } from './query-fields.ts';
import type { Session } from './session.ts';
import { createView, dropView } from './views.ts';

/** CREATE, DROP and ALTER of schemas and tables; returns the statement's type in the statistics. */
export async function runDdl(session: Session, tokens: readonly Token[]): Promise<string> {
  const reader = new Words(tokens);
  const verb = reader.next();
  if (verb === 'CREATE') {
    const replace = reader.take('OR', 'REPLACE');
    const temporary = reader.take('TEMP') || reader.take('TEMPORARY');
    const what = reader.next();
    const quiet = reader.take('IF', 'NOT', 'EXISTS');
    if (what === 'TABLE') return createTable(session, tokens, reader.index, { replace, temporary, quiet });
    if (what === 'VIEW' && !temporary) return createView(session, tokens, reader.index, { replace, quiet });
    if (what === 'SCHEMA') return createSchema(session, tokens, reader.index, quiet);
    throw invalidQuery(`The sandbox has no CREATE ${what} statement`);
  }
  const what = reader.next();
  const quiet = reader.take('IF', 'EXISTS');
  if (verb === 'DROP') return drop(session, tokens, reader.index, what, quiet);
  if (verb === 'ALTER' && what === 'TABLE') return alter(session, tokens, reader.index);
  throw invalidQuery(`The sandbox has no ${verb} ${what} statement`);
}

class Words {
  index = 0;
  readonly #tokens: readonly Token[];

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  next(): string {
    return at(this.#tokens, this.index++).upper;
  }

  take(...words: string[]): boolean {
    if (!words.every((word, offset) => at(this.#tokens, this.index + offset).upper === word)) return false;
    this.index += words.length;
    return true;
  }
}

interface CreateOptions {
  replace: boolean;
  temporary: boolean;
  quiet: boolean;
}

async function createTable(
  session: Session,
  tokens: readonly Token[],
  from: number,
  { replace, temporary, quiet }: CreateOptions,
): Promise<string> {
  const { parts, to } = path(tokens, from);
  const end = tokens.length - 1;
  let index = to;
  let fields: Json[] | undefined;
  if (at(tokens, index).text === '(') {
    const close = closing(tokens, index);
    fields = commas(tokens, { from: index + 1, to: close }).map((range) => fieldOf(tokens, range));
    index = close + 1;
  }
  const as = findTop(tokens, { from: index, to: end }, (i) => at(tokens, i).upper === 'AS');
  const query = as < end ? { from: as + 1, to: end } : undefined;
  const cluster = clustering(tokens, { from: index, to: as });
  if (!query && !fields) throw invalidQuery('CREATE TABLE needs columns or AS with a query');

  if (temporary) {
    const compiled = await session.compile(tokens, (rewriter) =>
      query ? rewriter.rewrite(query) : emptyQuery(fields ?? []),
    );
    try {
      await session.createTemporary(parts.at(-1) ?? '', compiled, replace);
    } finally {
      compiled.close();
    }
    return query ? 'CREATE_TABLE_AS_SELECT' : 'CREATE_TABLE';
  }

  const { catalog } = session.backend;
  const { dataset, name } = session.qualify(parts, 'Table');
  session.options.access.dataset('bigquery.tables.create', dataset);
  if (replace) session.options.access.table('bigquery.tables.delete', dataset, name);
  const known = catalog.findTable(dataset, name);
  if (known && quiet) return 'CREATE_TABLE';
  const compiled = query && (await session.compile(tokens, (rewriter) => rewriter.rewrite(query)));
  try {
    await session.transaction.define(async () => {
      const schema =
        fields ?? (compiled ? await fieldsOfQuery(session.connection, compiled.sql, compiled.values) : []);
      // The old table goes last: the query may read it.
      const rows = `temp.main.${quote('as_select')}`;
      if (compiled) {
        await session.connection.run(
          `CREATE OR REPLACE TEMP TABLE ${rows} AS ${compiled.sql}`,
          bound(compiled.values),
        );
      }
      if (known && replace) await catalog.deleteTable(session.connection, dataset, name);
      const body = { schema: { fields: schema }, ...(cluster ? { clustering: { fields: cluster } } : {}) };
      const table = await catalog.createTable(session.connection, dataset, name, body);
      if (compiled) {
        await session.connection.run(`INSERT INTO ${tableSql(table)} SELECT * FROM ${rows}`);
        await session.connection.run(`DROP TABLE ${rows}`);
      }
    });
  } finally {
    compiled?.close();
  }
  return query ? 'CREATE_TABLE_AS_SELECT' : 'CREATE_TABLE';
}

function emptyQuery(fields: Json[]): string {
  const columns = columnsOf(fields).map(({ name, duckdb }) => `CAST(NULL AS ${duckdb}) AS ${quote(name)}`);
  return `SELECT ${columns.join(', ')} WHERE FALSE`;
}

function fieldOf(tokens: readonly Token[], { from, to }: Range): Json {
  const name = at(tokens, from).value;
  const stop = findTop(tokens, { from: from + 1, to }, (index) =>
    ['NOT', 'OPTIONS', 'DEFAULT', 'PRIMARY', 'COLLATE'].includes(at(tokens, index).upper),
  );
  const words = tokens.slice(stop, to).map((token) => token.upper);
  if (words.some((word) => word === 'DEFAULT' || word === 'PRIMARY' || word === 'COLLATE')) {
    throw invalidQuery(`The sandbox has no DEFAULT, PRIMARY KEY or COLLATE of columns (${name})`);
  }
  const type = tokens
    .slice(from + 1, stop)
    .map((token) => token.text)
    .join('');
  const mode = words[0] === 'NOT' ? 'REQUIRED' : 'NULLABLE';
  return { name, type: /^ARRAY</i.test(type) ? type : sqlType(type), mode };
}

function clustering(tokens: readonly Token[], { from, to }: Range): string[] | undefined {
  const index = findTop(tokens, { from, to }, (i) => at(tokens, i).upper === 'CLUSTER');
  if (index === to) return undefined;
  const stop = findTop(tokens, { from: index, to }, (i) => at(tokens, i).upper === 'OPTIONS');
  return commas(tokens, { from: index + 2, to: stop }).map((range) => at(tokens, range.from).value);
}

async function createSchema(session: Session, tokens: readonly Token[], from: number, quiet: boolean) {
  const { catalog } = session.backend;
  const id = path(tokens, from).parts.at(-1) ?? '';
  session.options.access.project('bigquery.datasets.create');
  if (quiet && catalog.datasets.some((dataset) => dataset.id === id)) return 'CREATE_SCHEMA';
  await session.transaction.define(() =>
    catalog.createDataset(session.connection, id, { location: session.options.location }),
  );
  return 'CREATE_SCHEMA';
}

async function drop(session: Session, tokens: readonly Token[], from: number, what: string, quiet: boolean) {
  const { catalog } = session.backend;
  const { access } = session.options;
  const { parts } = path(tokens, from);
  const ignore = (error: unknown): void => {
    if (!(quiet && error instanceof GoogleError && error.status === 'NOT_FOUND')) throw error;
  };
  if (what === 'TABLE') {
    const temporary = parts.length === 1 && session.temporary.get(parts[0]?.toLowerCase() ?? '');
    if (temporary) {
      await session.connection.run(`DROP TABLE ${temporary.sql}`);
      session.temporary.delete(parts[0]?.toLowerCase() ?? '');
      return 'DROP_TABLE';
    }
    const { dataset, name } = session.qualify(parts, 'Table');
    access.table('bigquery.tables.delete', dataset, name);
    await session.transaction
      .define(() => catalog.deleteTable(session.connection, dataset, name))
      .catch(ignore);
    return 'DROP_TABLE';
  }
  if (what === 'VIEW') {
    await dropView(session, parts).catch(ignore);
    return 'DROP_VIEW';
  }
  if (what === 'PROCEDURE') {
    const { dataset, name } = session.qualify(parts, 'Procedure');
    access.routine('bigquery.routines.delete', dataset, name);
    await session.transaction
      .define(() => catalog.deleteRoutine(session.connection, dataset, name))
      .catch(ignore);
    return 'DROP_PROCEDURE';
  }
  if (what === 'SCHEMA') {
    access.dataset('bigquery.datasets.delete', parts.at(-1) ?? '');
    const cascade = tokens.some((token) => token.upper === 'CASCADE');
    await session.transaction
      .define(() => catalog.deleteDataset(session.connection, parts.at(-1) ?? '', cascade))
      .catch(ignore);
    return 'DROP_SCHEMA';
  }
  throw invalidQuery(`The sandbox has no DROP ${what} statement`);
}

async function alter(session: Session, tokens: readonly Token[], from: number): Promise<string> {
  const { parts, to } = path(tokens, from);
  const table = session.table(parts, (access, ...name) => access.table('bigquery.tables.update', ...name));
  const end = tokens.length - 1;
  const added = commas(tokens, { from: to, to: end }).map((range) => {
    const reader = new Words(tokens);
    reader.index = range.from;
    if (!reader.take('ADD', 'COLUMN')) throw invalidQuery('The sandbox has only ALTER TABLE … ADD COLUMN');
    const quiet = reader.take('IF', 'NOT', 'EXISTS');
    const field = fieldOf(tokens, { from: reader.index, to: range.to });
    return { field, quiet };
  });
  const known = new Set(table.schema.map((field) => field.name.toLowerCase()));
  const wanted = added.filter(({ field, quiet }) => {
    const exists = known.has(String(field.name).toLowerCase());
    if (exists && !quiet) throw invalidQuery(`Column already exists: ${field.name}`);
    return !exists;
  });
  const fields = columnsOf(wanted.map(({ field }) => field));
  await session.transaction.define(() =>
    session.backend.catalog.addColumns(session.connection, table, fields),
  );
  return 'ALTER_TABLE';
}

/** CREATE PROCEDURE: kept as the REST resource that routines.insert would make. */
export async function createProcedure(
  session: Session,
  statement: Extract<Statement, { kind: 'procedure' }>,
): Promise<void> {
  const { catalog } = session.backend;
  const { dataset, name } = session.qualify(statement.path, 'Procedure');
  session.options.access.dataset('bigquery.routines.create', dataset);
  if (statement.replace) session.options.access.routine('bigquery.routines.update', dataset, name);
  if (catalog.hasRoutine(dataset, name) && !statement.replace) {
    if (statement.ifNotExists) return;
    throw new GoogleError('ALREADY_EXISTS', `Already Exists: Routine ${catalog.project}:${dataset}.${name}`);
  }
  const body = {
    routineType: 'PROCEDURE',
    language: 'SQL',
    definitionBody: statement.body,
    arguments: statement.args.map((argument) => ({
      name: argument.name,
      dataType: { typeKind: sqlType(argument.type) },
    })),
  };
  await session.transaction.define(() => catalog.putRoutine(session.connection, dataset, name, body));
}
