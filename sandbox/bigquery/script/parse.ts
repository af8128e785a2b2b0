import { invalidQuery } from '../../errors/google-error.ts';
import { at, closing, findTop, path } from '../translate/ranges.ts';
import { syntax, type Token } from '../translate/tokens.ts';

/** A script as a tree: https://cloud.google.com/bigquery/docs/reference/standard-sql/procedural-language */
export type Statement =
  | { kind: 'declare'; names: string[]; type: string | null; value: Token[] | null }
  | { kind: 'set'; names: string[]; value: Token[] }
  | { kind: 'if'; branches: { test: Token[]; body: Statement[] }[]; otherwise: Statement[] }
  | { kind: 'while'; test: Token[] | null; body: Statement[] }
  | { kind: 'leave' }
  | { kind: 'continue' }
  | { kind: 'return' }
  | { kind: 'block'; body: Statement[]; handler: Statement[] | null }
  | { kind: 'begin' }
  | { kind: 'commit' }
  | { kind: 'rollback' }
  | { kind: 'raise'; message: Token[] | null }
  | { kind: 'assert'; test: Token[]; message: Token[] | null }
  | { kind: 'call'; path: string[]; args: Token[][] }
  | { kind: 'execute'; sql: Token[] }
  | {
      kind: 'procedure';
      path: string[];
      replace: boolean;
      ifNotExists: boolean;
      args: ProcedureArgument[];
      body: string;
    }
  | { kind: 'sql'; tokens: Token[] };

interface ProcedureArgument {
  name: string;
  type: string;
}

/** Reads a whole script. */
export function parseScript(tokens: readonly Token[], source: string): Statement[] {
  const parser = new ScriptParser(tokens, source);
  return parser.list(() => false, new Set());
}

class ScriptParser {
  readonly #tokens: readonly Token[];
  readonly #source: string;
  #at = 0;
  /** The names that the blocks around have declared. */
  #declared: ReadonlySet<string> = new Set();

  constructor(tokens: readonly Token[], source: string) {
    this.#tokens = tokens;
    this.#source = source;
  }

  /**
   * Statements up to the end, or to a keyword that ends the list. A script's and a block's may begin with declarations,
   * of names that are not in `declared`: those of the blocks around.
   */
  list(ends: (upper: string) => boolean, declared?: ReadonlySet<string>): Statement[] {
    const outer = this.#declared;
    const names = new Set(declared);
    if (declared) this.#declared = names;
    const statements: Statement[] = [];
    const late = (): boolean => !declared || statements.some(({ kind }) => kind !== 'declare');
    for (;;) {
      while (this.#token().text === ';') this.#at++;
      const token = this.#token();
      if (token.kind === 'end' || ends(token.upper)) {
        this.#declared = outer;
        return statements;
      }
      const statement = this.#statement();
      if (statement.kind === 'declare') {
        if (late())
          throw this.#wrong(
            'Variable declarations are allowed only at the start of a block or script',
            token,
          );
        for (const name of statement.names) {
          if (names.has(name)) throw this.#wrong(`Variable '${name}' redeclaration`, token);
          names.add(name);
        }
      }
      statements.push(statement);
      if (this.#token().kind === 'end') continue;
      if (this.#token().text !== ';') throw this.#unexpected(';');
    }
  }

  #statement(): Statement {
    const { upper } = this.#token();
    const next = at(this.#tokens, this.#at + 1);
    switch (upper) {
      case 'DECLARE':
        return this.#declare();
      case 'SET':
        return this.#set();
      case 'IF':
        return this.#if();
      case 'WHILE': {
        this.#at++;
        const test = this.#until('DO');
        const body = this.list((word) => word === 'END');
        this.#words('END', 'WHILE');
        return { kind: 'while', test, body };
      }
      case 'LOOP': {
        this.#at++;
        const body = this.list((word) => word === 'END');
        this.#words('END', 'LOOP');
        return { kind: 'while', test: null, body };
      }
      case 'BREAK':
      case 'LEAVE':
        this.#at++;
        return { kind: 'leave' };
      case 'CONTINUE':
      case 'ITERATE':
        this.#at++;
        return { kind: 'continue' };
      case 'RETURN':
        this.#at++;
        return { kind: 'return' };
      case 'BEGIN':
        if (next.upper !== 'TRANSACTION' && next.text !== ';' && next.kind !== 'end') return this.#block();
        return this.#transaction('begin');
      case 'COMMIT':
        return this.#transaction('commit');
      case 'ROLLBACK':
        return this.#transaction('rollback');
      case 'RAISE':
        return this.#raise();
      case 'ASSERT': {
        this.#at++;
        const isAs = (index: number): boolean => at(this.#tokens, index).upper === 'AS';
        const test = this.#take((index) => isAs(index) || at(this.#tokens, index).text === ';');
        if (!isAs(this.#at)) return { kind: 'assert', test, message: null };
        this.#at++;
        return { kind: 'assert', test, message: this.#rest() };
      }
      case 'CALL':
        return this.#call();
      case 'CREATE': {
        const replace = next.upper === 'OR';
        if (at(this.#tokens, this.#at + (replace ? 3 : 1)).upper !== 'PROCEDURE') break;
        this.#at += replace ? 4 : 2;
        return this.#procedure(replace);
      }
      case 'EXECUTE':
        this.#at++;
        this.#words('IMMEDIATE');
        return { kind: 'execute', sql: this.#rest() };
      case 'FOR':
      case 'REPEAT':
      case 'CASE':
      case 'EXPORT':
      case 'LOAD':
      case 'GRANT':
      case 'REVOKE':
        throw invalidQuery(`The sandbox has no ${upper} statement`);
    }
    return { kind: 'sql', tokens: this.#rest() };
  }

  #declare(): Statement {
    this.#at++;
    const names = [this.#name()];
    while (this.#token().text === ',') {
      this.#at++;
      names.push(this.#name());
    }
    const all = this.#rest();
    const at0 = findTop(all, { from: 0, to: all.length }, (index) => at(all, index).upper === 'DEFAULT');
    const type = at0 > 0 ? textOf(all.slice(0, at0)) : null;
    const value = at0 < all.length ? all.slice(at0 + 1) : null;
    if (type === null && value === null) throw this.#unexpected('a type or DEFAULT');
    return { kind: 'declare', names, type, value };
  }

  #set(): Statement {
    this.#at++;
    const names: string[] = [];
    if (this.#token().text === '(') {
      do {
        this.#at++;
        names.push(this.#name());
      } while (this.#token().text === ',');
      this.#symbol(')');
    } else names.push(this.#name());
    this.#symbol('=');
    return { kind: 'set', names, value: this.#rest() };
  }

  #if(): Statement {
    this.#at++;
    const branches = [{ test: this.#until('THEN'), body: this.#branch() }];
    while (this.#token().upper === 'ELSEIF') {
      this.#at++;
      branches.push({ test: this.#until('THEN'), body: this.#branch() });
    }
    let otherwise: Statement[] = [];
    if (this.#token().upper === 'ELSE') {
      this.#at++;
      otherwise = this.#branch();
    }
    this.#words('END', 'IF');
    return { kind: 'if', branches, otherwise };
  }

  #branch(): Statement[] {
    return this.list((upper) => upper === 'END' || upper === 'ELSE' || upper === 'ELSEIF');
  }

  #block(): Statement {
    this.#at++;
    const body = this.list((upper) => upper === 'END' || upper === 'EXCEPTION', this.#declared);
    let handler: Statement[] | null = null;
    if (this.#token().upper === 'EXCEPTION') {
      this.#words('EXCEPTION', 'WHEN', 'ERROR', 'THEN');
      handler = this.list((upper) => upper === 'END');
    }
    this.#words('END');
    return { kind: 'block', body, handler };
  }

  #transaction(kind: 'begin' | 'commit' | 'rollback'): Statement {
    this.#at++;
    if (this.#token().upper === 'TRANSACTION') this.#at++;
    return { kind };
  }

  #raise(): Statement {
    this.#at++;
    if (this.#token().upper !== 'USING') return { kind: 'raise', message: null };
    this.#words('USING', 'MESSAGE');
    this.#symbol('=');
    return { kind: 'raise', message: this.#rest() };
  }

  #call(): Statement {
    this.#at++;
    const name = path(this.#tokens, this.#at);
    this.#at = name.to;
    const end = closing(this.#tokens, this.#at);
    const args: Token[][] = [];
    let from = this.#at + 1;
    while (from < end) {
      const comma = findTop(this.#tokens, { from, to: end }, (i) => at(this.#tokens, i).text === ',');
      args.push(this.#slice(from, comma));
      from = comma + 1;
    }
    this.#at = end + 1;
    return { kind: 'call', path: name.parts, args };
  }

  #procedure(replace: boolean): Statement {
    const ifNotExists = this.#token().upper === 'IF';
    if (ifNotExists) this.#words('IF', 'NOT', 'EXISTS');
    const name = path(this.#tokens, this.#at);
    this.#at = name.to;
    const end = closing(this.#tokens, this.#at);
    const args: ProcedureArgument[] = [];
    for (let from = this.#at + 1; from < end; ) {
      const comma = findTop(this.#tokens, { from, to: end }, (i) => at(this.#tokens, i).text === ',');
      const words = this.#slice(from, comma);
      if (at(words, 0).upper === 'OUT' || at(words, 0).upper === 'INOUT') {
        throw invalidQuery(`The sandbox has no ${at(words, 0).upper} arguments of procedures`);
      }
      const first = at(words, 0).upper === 'IN' ? 1 : 0;
      args.push({ name: at(words, first).value, type: textOf(words.slice(first + 1, -1)) });
      from = comma + 1;
    }
    this.#at = end + 1;
    if (this.#token().upper === 'OPTIONS') this.#at = closing(this.#tokens, this.#at + 1) + 1;
    const start = this.#token().start;
    if (this.#token().upper !== 'BEGIN') throw this.#unexpected('BEGIN');
    // The variables around a procedure's text are not in its sight.
    const around = this.#declared;
    this.#declared = new Set();
    this.#block();
    this.#declared = around;
    const body = this.#source.slice(start, at(this.#tokens, this.#at - 1).end);
    return { kind: 'procedure', path: name.parts, replace, ifNotExists, args, body };
  }

  #token(): Token {
    return at(this.#tokens, this.#at);
  }

  #name(): string {
    const token = this.#token();
    if (token.kind !== 'word' && token.kind !== 'quoted') throw this.#unexpected('a name');
    this.#at++;
    return token.value.toLowerCase();
  }

  #symbol(text: string): void {
    if (this.#token().text !== text) throw this.#unexpected(text);
    this.#at++;
  }

  #words(...words: string[]): void {
    for (const word of words) {
      if (this.#token().upper !== word) throw this.#unexpected(`keyword ${word}`);
      this.#at++;
    }
  }

  /** The tokens up to the statement's end, with an end token of their own. */
  #rest(): Token[] {
    return this.#take((index) => at(this.#tokens, index).text === ';');
  }

  #until(word: string): Token[] {
    const taken = this.#take((index) => at(this.#tokens, index).upper === word);
    this.#words(word);
    return taken;
  }

  #take(test: (index: number) => boolean): Token[] {
    const last = this.#tokens.length - 1;
    const stop = findTop(this.#tokens, { from: this.#at, to: last }, test);
    const taken = this.#slice(this.#at, stop);
    this.#at = stop;
    return taken;
  }

  #slice(from: number, to: number): Token[] {
    const { end } = at(this.#tokens, to - 1);
    return [
      ...this.#tokens.slice(from, to),
      { kind: 'end', text: '', upper: '', value: '', start: end, end },
    ];
  }

  #wrong(message: string, { start }: Token): Error {
    return syntax(message, this.#source, start);
  }

  #unexpected(wanted: string): Error {
    const token = this.#token();
    const got =
      token.kind === 'end' ? 'end of script' : token.kind === 'word' ? `"${token.text}"` : token.kind;
    return syntax(`Expected ${wanted} but got ${got}`, this.#source, token.start);
  }
}

const textOf = (tokens: readonly Token[]): string => tokens.map((token) => token.text).join('');
