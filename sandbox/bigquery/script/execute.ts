import { GoogleError, invalidQuery } from '../../errors/google-error.ts';
import { objectOr, text } from '../../http/router.ts';
import type { Backend } from '../duckdb/backend.ts';
import { queryFailure } from '../duckdb/failures.ts';
import { dropResult, keep, type Result } from '../duckdb/results.ts';
import { duckdbType, sqlType } from '../duckdb/types.ts';
import { at } from '../translate/ranges.ts';
import { type Token, tokenize } from '../translate/tokens.ts';
import { NO_PARAMETERS, type Typed } from '../translate/values.ts';
import { createProcedure, runDdl } from './ddl.ts';
import { runDml } from './dml.ts';
import type { Changes } from './dml-target.ts';
import { parseScript, type Statement } from './parse.ts';
import { Scope } from './scope.ts';
import { type ScriptOptions, Session } from './session.ts';
import { DDL, DML, MAX_CALLS, type Script } from './validate.ts';

/** What one statement of a script did. */
interface Step {
  statementType: string;
  changes?: Changes;
}

export interface Outcome {
  /** As in statistics.query: SELECT, MERGE, …, or SCRIPT. */
  statementType: string;
  steps: Step[];
  /** The rows of the last query. */
  result?: Result;
}

/** Runs a script whole. A failure inside a transaction leaves nothing of the transaction. */
export async function runScript(
  backend: Backend,
  options: ScriptOptions,
  script: Script,
  onStart: (interrupt: () => void) => void,
): Promise<Outcome> {
  const work = async (): Promise<Outcome> => {
    const session = new Session(backend, options, await backend.engine.connect());
    onStart(() => session.cancel());
    const runner = new Runner(session);
    try {
      await runner.all(script.statements);
      if (session.transaction.isActive) await session.transaction.rollback(true);
      return runner.outcome(script.statements);
    } catch (error) {
      await runner.discard();
      throw queryFailure(error);
    } finally {
      await session.close();
    }
  };
  return script.changes ? backend.engine.exclusively(work) : work();
}

/** How a script leaves a list of statements before its end. */
class Leave extends Error {
  readonly how: 'leave' | 'continue' | 'return';

  constructor(how: Leave['how']) {
    super(how);
    this.how = how;
  }
}

class Runner {
  readonly #session: Session;
  readonly #steps: Step[] = [];
  #result: Result | undefined;
  #depth = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  outcome(statements: readonly Statement[]): Outcome {
    const [first] = statements;
    const single = statements.length === 1 && (first?.kind === 'sql' || first?.kind === 'procedure');
    const statementType = single ? (this.#steps[0]?.statementType ?? 'SELECT') : 'SCRIPT';
    return {
      statementType,
      steps: this.#steps,
      ...(this.#result ? { result: this.#result } : {}),
    };
  }

  async discard(): Promise<void> {
    if (this.#result) await dropResult(this.#session.backend.engine, this.#result);
    this.#result = undefined;
  }

  async all(statements: readonly Statement[]): Promise<void> {
    try {
      await this.#list(statements);
    } catch (error) {
      if (!(error instanceof Leave && error.how === 'return')) throw error;
    }
  }

  async #list(statements: readonly Statement[]): Promise<void> {
    for (const statement of statements) {
      try {
        this.#session.checkCancelled();
        await this.#one(statement);
      } catch (error) {
        if (error instanceof Leave) throw error;
        await this.#session.transaction.abort();
        throw queryFailure(error);
      }
    }
  }

  async #one(statement: Statement): Promise<void> {
    const session = this.#session;
    switch (statement.kind) {
      case 'declare':
        return this.#declare(statement);
      case 'set':
        return this.#set(statement);
      case 'if': {
        for (const { test, body } of statement.branches) {
          if (await this.#holds(test)) return this.#list(body);
        }
        return this.#list(statement.otherwise);
      }
      case 'while':
        return this.#while(statement);
      case 'leave':
      case 'continue':
      case 'return':
        throw new Leave(statement.kind);
      case 'block':
        return this.#block(statement);
      case 'begin':
        return session.transaction.begin();
      case 'commit':
        return session.transaction.commit();
      case 'rollback':
        return session.transaction.rollback();
      case 'raise': {
        const message = statement.message && (await session.evaluate(statement.message, 'VARCHAR')).value;
        throw invalidQuery(String(message ?? session.errorMessage ?? 'RAISE'));
      }
      case 'assert': {
        if (await this.#holds(statement.test)) return;
        const message = statement.message && (await session.evaluate(statement.message, 'VARCHAR')).value;
        throw invalidQuery(String(message ?? 'Assertion failed'));
      }
      case 'call':
        return this.#call(statement);
      case 'execute':
        return this.#execute(statement.sql);
      case 'procedure':
        session.transaction.check();
        await createProcedure(session, statement);
        this.#steps.push({ statementType: 'CREATE_PROCEDURE' });
        return;
      case 'sql':
        return this.#sql(statement.tokens);
    }
  }

  async #sql(tokens: readonly Token[]): Promise<void> {
    const session = this.#session;
    session.transaction.check();
    const { upper, text } = at(tokens, 0);
    if (DML.has(upper)) {
      const changes = await runDml(session, tokens);
      session.rowCount = changes.inserted + changes.updated + changes.deleted;
      this.#steps.push({ statementType: upper === 'TRUNCATE' ? 'TRUNCATE_TABLE' : upper, changes });
    } else if (DDL.has(upper)) {
      this.#steps.push({ statementType: await runDdl(session, tokens) });
    } else if (upper === 'SELECT' || upper === 'WITH' || text === '(') {
      const compiled = await session.compile(tokens, (rewriter) =>
        rewriter.rewrite({ from: 0, to: tokens.length - 1 }),
      );
      try {
        const { engine } = session.backend;
        const result = await keep(
          engine,
          session.connection,
          compiled.sql,
          compiled.values,
          session.transaction.isActive,
        );
        await this.discard();
        this.#result = result;
        this.#steps.push({ statementType: 'SELECT' });
      } finally {
        compiled.close();
      }
    } else {
      throw invalidQuery(
        `Syntax error: Unexpected ${text || 'end of script'} (the sandbox has no such statement)`,
      );
    }
  }

  async #declare(statement: Extract<Statement, { kind: 'declare' }>): Promise<void> {
    const { names, type, value } = statement;
    const duckdb = type === null ? undefined : duckdbType(type);
    const typed: Typed = value
      ? await this.#session.evaluate(value, duckdb)
      : { type: duckdb ?? 'BIGINT', value: null };
    for (const name of names) this.#session.scope.declare(name, typed);
  }

  async #set({ names, value }: Extract<Statement, { kind: 'set' }>): Promise<void> {
    const { scope } = this.#session;
    const types = names.map((name) => {
      const known = scope.get(name);
      if (!known) throw invalidQuery(`Undeclared variable: ${name}`);
      return known.type;
    });
    const [first] = names;
    if (names.length === 1 && first !== undefined) {
      scope.set(first, await this.#session.evaluate(value, types[0]));
      return;
    }
    const values = await this.#session.evaluateTuple(value, types);
    for (const [index, name] of names.entries()) {
      const typed = values[index];
      if (typed) scope.set(name, typed);
    }
  }

  async #holds(test: readonly Token[]): Promise<boolean> {
    return (await this.#session.evaluate(test, 'BOOLEAN')).value === 'true';
  }

  async #while({ test, body }: Extract<Statement, { kind: 'while' }>): Promise<void> {
    while (test === null || (await this.#holds(test))) {
      try {
        await this.#list(body);
      } catch (error) {
        if (!(error instanceof Leave) || error.how === 'return') throw error;
        if (error.how === 'leave') return;
      }
    }
  }

  async #block({ body, handler }: Extract<Statement, { kind: 'block' }>): Promise<void> {
    const session = this.#session;
    const outer = session.scope;
    session.scope = new Scope(outer);
    try {
      await this.#list(body);
    } catch (error) {
      if (handler === null || !(error instanceof GoogleError) || session.cancelled) throw error;
      session.scope = outer;
      const before = session.errorMessage;
      session.errorMessage = error.message;
      try {
        await this.#list(handler);
      } finally {
        session.errorMessage = before;
      }
    } finally {
      session.scope = outer;
    }
  }

  /** EXECUTE IMMEDIATE: one statement, which sees no variable of the script around it. */
  async #execute(tokens: readonly Token[]): Promise<void> {
    const session = this.#session;
    const { value } = await session.evaluate(tokens, 'VARCHAR');
    if (value === null) throw invalidQuery('SQL statement for EXECUTE IMMEDIATE must not be NULL');
    const source = String(value);
    const [statement, more] = parseScript(tokenize(source), source);
    if (statement?.kind !== 'sql' || more !== undefined)
      throw invalidQuery('EXECUTE IMMEDIATE takes a single statement (the sandbox: of SQL)');
    const before = session.scope;
    session.scope = new Scope();
    try {
      await this.#sql(statement.tokens);
    } finally {
      session.scope = before;
    }
  }

  async #call({ path, args }: Extract<Statement, { kind: 'call' }>): Promise<void> {
    const session = this.#session;
    const { catalog } = session.backend;
    const { dataset, name } = session.qualify(path, 'Procedure');
    const { access } = session.options;
    access.routine('bigquery.routines.get', dataset, name);
    const { body } = catalog.routine(dataset, name);
    const declared = argumentsOf(body.arguments);
    if (declared.length !== args.length) {
      throw invalidQuery(
        `Procedure ${dataset}.${name} takes ${declared.length} arguments, ${args.length} given`,
      );
    }
    const inner = new Scope();
    for (const [index, argument] of declared.entries()) {
      inner.declare(argument.name, await session.evaluate(args[index] ?? [], duckdbType(argument.type)));
    }
    if (++this.#depth > MAX_CALLS) throw invalidQuery('Procedure calls are nested too deeply');
    const before = { scope: session.scope, parameters: session.parameters };
    const source = text(body.definitionBody) ?? '';
    session.scope = inner;
    session.parameters = NO_PARAMETERS;
    try {
      await access.within(dataset, name, () => this.all(parseScript(tokenize(source), source)));
    } finally {
      Object.assign(session, before);
      this.#depth--;
    }
  }
}

function argumentsOf(list: unknown): { name: string; type: string }[] {
  return (Array.isArray(list) ? list : []).map((item) => {
    const { name, dataType } = objectOr(item);
    return { name: (text(name) ?? '').toLowerCase(), type: sqlType(text(objectOr(dataType).typeKind) ?? '') };
  });
}
