import { DuckDBBlobValue, type DuckDBValue } from '@duckdb/node-api';
import { invalidQuery } from '../../errors/google-error.ts';
import { blob, duckdbType, literal, quote } from '../duckdb/types.ts';
import { type Aliases, aliasesOf, commonTables, nameOf, snapshotRange } from './clauses.ts';
import {
  INTERVAL_FUNCTIONS,
  interval,
  PART_FUNCTIONS,
  strftime,
  unit,
  writeCall,
  writeSafeCall,
} from './functions.ts';
import { isKeyFunction, writeKeyCall } from './key-calls.ts';
import type { Names, TableRef } from './names.ts';
import { requireFilterInQuery } from './partition-filter.ts';
import { at, closing, commas, findTop, path, type Range } from './ranges.ts';
import type { Token } from './tokens.ts';
import type { Typed } from './values.ts';
import { AFTER_FROM, DUCKDB_RESERVED, NOT_ALIAS, NOT_FUNCTION, UNSUPPORTED } from './words.ts';

/** Turns stretches of one GoogleSQL statement into DuckDB's SQL and collects what is to be bound to it. */
export class Rewriter {
  readonly tokens: readonly Token[];
  readonly bindings: Record<string, DuckDBValue> = {};
  readonly #names: Names;
  readonly #snapshots: ReadonlyMap<number, bigint>;
  readonly #ctes: Set<string>;
  /** Names that a bare word may mean as a column, so that it is not a script variable. */
  readonly #columns: Set<string>;
  readonly #aliases: Aliases;
  #positional = 0;

  constructor(tokens: readonly Token[], names: Names, snapshots: ReadonlyMap<number, bigint> = new Map()) {
    this.tokens = tokens;
    this.#names = names;
    this.#snapshots = snapshots;
    this.#ctes = commonTables(tokens);
    this.#aliases = aliasesOf(tokens);
    this.#columns = this.#aliases.inner;
  }

  /** Makes a table's columns known before its name is met, as in a SELECT list. */
  learn(table: TableRef): void {
    for (const column of table.columns) this.#columns.add(column.toLowerCase());
  }

  /** Takes over the columns that a first pass over the same statement has met. */
  adopt(scout: Rewriter): void {
    for (const column of scout.#columns) this.#columns.add(column);
  }

  /** Binds a constant; returns what stands for it in SQL. */
  bind(name: string, { type, value }: Typed): string {
    if (value === null) return `CAST(NULL AS ${type})`;
    this.bindings[name] = value;
    return `CAST($${name} AS ${type})`;
  }

  /** Rewrites an expression, a query or any stretch of them. */
  rewrite(range: Range, options: { expectTable?: boolean } = {}): string {
    const out: string[] = [];
    let inFrom = options.expectTable ?? false;
    let expectTable = inFrom;
    let limit = false;
    let index = range.from;
    while (index < range.to) {
      const token = at(this.tokens, index);
      const { upper } = token;
      if (expectTable && (token.kind === 'word' || token.kind === 'quoted')) {
        expectTable = false;
        index = this.#tableItem(index, range.to, out);
        continue;
      }
      // DuckDB would read a string in a table's place as the name of a file.
      if (expectTable && token.text !== '(') {
        throw invalidQuery(`Syntax error: Expected a table but got ${token.kind}`);
      }
      if (token.text === '(') {
        const end = closing(this.tokens, index);
        const first = at(this.tokens, index + 1).upper;
        const query = first === 'SELECT' || first === 'WITH';
        const inner = this.rewrite({ from: index + 1, to: end }, { expectTable: expectTable && !query });
        out.push(`(${inner})`);
        expectTable = false;
        index = end + 1;
        continue;
      }
      if (token.text === ',' && inFrom) expectTable = true;
      else if (upper === 'JOIN' || (upper === 'FROM' && !this.#distinctFrom(index))) {
        inFrom = true;
        expectTable = true;
      } else if (AFTER_FROM.has(upper)) inFrom = false;
      if (upper === 'LIMIT') limit = true;
      index = this.#one(index, range.to, out, limit);
    }
    return out.join(' ');
  }

  /** The constant that a range consists of: a literal, a parameter or a variable. */
  constant({ from, to }: Range): Typed | undefined {
    if (to - from !== 1) return undefined;
    const token = at(this.tokens, from);
    switch (token.kind) {
      case 'string':
        return { type: 'VARCHAR', value: token.value };
      case 'bytes':
        return { type: 'BLOB', value: token.bytes ? blobOf(token.bytes) : null };
      case 'parameter':
        return this.#parameter(token);
      case 'word':
        return this.#variable(from);
      case 'system':
        return this.#names.system(token.value);
      default:
        return undefined;
    }
  }

  #parameter(token: Token): Typed {
    const typed = this.#names.parameter(token.value);
    if (!typed) throw invalidQuery(`Query parameter '${token.value}' not found`);
    return typed;
  }

  #variable(index: number): Typed | undefined {
    const token = at(this.tokens, index);
    if (at(this.tokens, index - 1).text === '.' && index > 0) return undefined;
    const name = nameOf(token);
    const previous = index > 0 ? at(this.tokens, index - 1).upper : '';
    if (at(this.tokens, index + 1).text === '.' || previous === 'AS') return undefined;
    if (this.#columns.has(name) || (index > this.#aliases.tail && this.#aliases.outermost.has(name)))
      return undefined;
    return this.#names.variable(name);
  }

  /** `IS [NOT] DISTINCT FROM`: not a clause. */
  #distinctFrom(index: number): boolean {
    if (at(this.tokens, index - 1).upper !== 'DISTINCT') return false;
    return ['IS', 'NOT'].includes(at(this.tokens, index - 2).upper);
  }

  /** Rewrites what stands at `index`; returns the index after it. */
  #one(index: number, to: number, out: string[], limit: boolean): number {
    const token = at(this.tokens, index);
    switch (token.kind) {
      case 'string':
        out.push(literal(token.value));
        return index + 1;
      case 'bytes':
        out.push(blob(token.bytes ?? Buffer.alloc(0)));
        return index + 1;
      case 'number':
        // GoogleSQL's 1.5 is FLOAT64, DuckDB's a DECIMAL.
        out.push(/^[^xXeE]*\.[^eE]*$/.test(token.text) ? `${token.text}e0` : hex(token.text));
        return index + 1;
      case 'parameter':
        out.push(this.bind(`p_${token.value}`, this.#parameter(token)));
        return index + 1;
      case 'system': {
        const typed = this.#names.system(token.value);
        if (!typed) throw invalidQuery(`System variable @@${token.value} is not known to the sandbox`);
        out.push(this.bind(`s_${token.value.replaceAll('.', '_')}`, typed));
        return index + 1;
      }
      case 'quoted':
        return this.#name(index, out);
      case 'word':
        return this.#word(index, to, out, limit);
      default:
        if (token.text === '?') {
          const typed = this.#names.positional(this.#positional);
          if (!typed) throw invalidQuery('Positional parameter not found');
          out.push(this.bind(`n_${this.#positional++}`, typed));
        } else out.push(token.text);
        return index + 1;
    }
  }

  #word(index: number, to: number, out: string[], limit: boolean): number {
    const token = at(this.tokens, index);
    const next = at(this.tokens, index + 1);
    const previous = index > 0 ? at(this.tokens, index - 1) : undefined;
    const { upper } = token;
    if (UNSUPPORTED.has(upper) && previous?.text !== '.') throw invalidQuery(`The sandbox has no ${upper}`);
    if (upper === 'AS' && previous?.upper === 'SELECT') throw invalidQuery('The sandbox has no SELECT AS');
    if (
      upper === 'SAFE' &&
      at(this.tokens, index + 3).text === '.' &&
      at(this.tokens, index + 5).text === '('
    ) {
      const end = closing(this.tokens, index + 5);
      const name = `${at(this.tokens, index + 2).upper}.${at(this.tokens, index + 4).upper}`;
      const args = { from: index + 6, to: end };
      out.push(writeKeyCall(this, this.#names.keys, name, args, true));
      return end + 1;
    }
    if (upper === 'SAFE' && next.text === '.' && at(this.tokens, index + 3).text === '(') {
      const end = closing(this.tokens, index + 3);
      const name = at(this.tokens, index + 2).upper;
      const args = { from: index + 4, to: end };
      out.push(
        isKeyFunction(name)
          ? writeKeyCall(this, this.#names.keys, name, args, true)
          : writeSafeCall(name, this.#call(name, args)),
      );
      return end + 1;
    }
    if (next.text === '.' && at(this.tokens, index + 3).text === '(') {
      const end = closing(this.tokens, index + 3);
      const name = `${upper}.${at(this.tokens, index + 2).upper}`;
      if (name === 'KEYS.KEYSET_CHAIN') {
        throw invalidQuery('KEYS.KEYSET_CHAIN can only be the keyset of another function of keysets');
      }
      out.push(writeKeyCall(this, this.#names.keys, name, { from: index + 4, to: end }));
      return end + 1;
    }
    if (next.text === '(' && !NOT_FUNCTION.has(upper) && previous?.upper !== 'AS' && !this.#isCte(index)) {
      const end = closing(this.tokens, index + 1);
      out.push(this.#call(upper, { from: index + 2, to: end }));
      return end + 1;
    }
    if (upper === 'CURRENT_TIMESTAMP') {
      out.push(this.bind('now', { type: 'TIMESTAMP WITH TIME ZONE', value: this.#names.now }));
      return index + 1;
    }
    if ((upper === 'TIMESTAMP' || upper === 'DATE' || upper === 'JSON') && next.kind === 'string') {
      out.push(`CAST(${literal(next.value)} AS ${duckdbType(upper)})`);
      return index + 2;
    }
    if (upper === 'INTERVAL' && previous?.text !== '.') {
      const stop = findTop(this.tokens, { from: index + 1, to }, (i) => isUnit(at(this.tokens, i)));
      out.push(interval(this.rewrite({ from: index + 1, to: stop }), at(this.tokens, stop).text));
      return stop + 1;
    }
    if (upper === 'EXCEPT' && previous?.text === '*' && next.text === '(') {
      out.push('EXCLUDE');
      return index + 1;
    }
    if (['UNION', 'EXCEPT', 'INTERSECT'].includes(upper) && next.upper === 'DISTINCT') {
      out.push(upper);
      return index + 2;
    }
    if (upper === 'IN' && next.upper === 'UNNEST') {
      const end = closing(this.tokens, index + 2);
      out.push(`IN (SELECT unnest(${this.rewrite({ from: index + 3, to: end })}))`);
      return end + 1;
    }
    const variable = this.#variable(index);
    if (variable) {
      out.push(this.bind(`v_${nameOf(token)}`, variable));
      return index + 1;
    }
    if (next.text === '.' && at(this.tokens, index + 2).text !== '*') return this.#name(index, out);
    const reserved = DUCKDB_RESERVED.has(upper) || (upper === 'OFFSET' && !limit);
    out.push(reserved ? quote(token.text) : token.text);
    return index + 1;
  }

  /** A column, perhaps with its table before it. */
  #name(index: number, out: string[]): number {
    const first = at(this.tokens, index);
    if (at(this.tokens, index + 1).text === '.' && at(this.tokens, index + 2).text === '*') {
      out.push(`${quote(first.value)}.*`);
      return index + 3;
    }
    const { parts, to } = path(this.tokens, index);
    out.push(parts.map(quote).join('.'));
    return to;
  }

  #call(name: string, range: Range): string {
    if (isKeyFunction(name)) return writeKeyCall(this, this.#names.keys, name, range);
    const args = commas(this.tokens, range);
    const write = (part: Range | undefined): string => (part ? this.rewrite(part) : '');
    const part = PART_FUNCTIONS.get(name);
    const sign = INTERVAL_FUNCTIONS.get(name);
    const last = args.at(-1);
    if (part && last) return part(args.slice(0, -1).map(write), at(this.tokens, last.from).text);
    if (sign) return `((${write(args[0])}) ${sign} ${write(args[1])})`;
    switch (name) {
      case 'CAST':
      case 'SAFE_CAST':
        return this.#cast(name === 'SAFE_CAST' ? 'TRY_CAST' : 'CAST', range);
      case 'EXTRACT': {
        const source = this.rewrite({ from: range.from + 2, to: range.to });
        return `extract(${unit(at(this.tokens, range.from).text)} FROM ${source})`;
      }
      case 'SESSION_USER':
        return this.bind('user', { type: 'VARCHAR', value: this.#names.user });
      case 'CURRENT_TIMESTAMP':
        return this.bind('now', { type: 'TIMESTAMP WITH TIME ZONE', value: this.#names.now });
      case 'CURRENT_DATE':
        return `CAST(bq_utc(${this.bind('now', { type: 'TIMESTAMP WITH TIME ZONE', value: this.#names.now })}) AS DATE)`;
      case 'FORMAT': {
        const format = args[0] && this.constant(args[0]);
        if (format?.value !== '%T' || args.length !== 2)
          throw invalidQuery("The sandbox has FORMAT('%T', value) only");
        return `bq_literal(${write(args[1])})`;
      }
      case 'FORMAT_TIMESTAMP': {
        const format = args[0] && this.constant(args[0]);
        if (typeof format?.value !== 'string') throw invalidQuery('FORMAT_TIMESTAMP needs a constant format');
        return `strftime(bq_utc(${write(args[1])}), ${literal(strftime(format.value))})`;
      }
      case 'UNNEST':
        return `unnest(${write(args[0])})`;
      default:
        return writeCall(name, args.map(write));
    }
  }

  #cast(cast: string, range: Range): string {
    const as = findTop(this.tokens, range, (index) => at(this.tokens, index).upper === 'AS');
    if (as === range.to) throw invalidQuery('Syntax error: Expected keyword AS in CAST');
    const value = this.rewrite({ from: range.from, to: as });
    const type = duckdbType(
      this.tokens
        .slice(as + 1, range.to)
        .map((token) => token.text)
        .join(''),
    );
    if (type === 'BLOB') return `bq_bytes(${value})`;
    // A BYTES value becomes the text that its UTF-8 says, not DuckDB's hexadecimal notation.
    if (type === 'VARCHAR') return cast === 'CAST' ? `bq_string(${value})` : `TRY(bq_string(${value}))`;
    return `${cast}((${value}) AS ${type})`;
  }

  /** A table, or UNNEST, in a FROM clause with its alias and snapshot; returns the index after it. */
  #tableItem(index: number, to: number, out: string[]): number {
    const token = at(this.tokens, index);
    if (token.upper === 'UNNEST' && at(this.tokens, index + 1).text === '(') {
      const end = closing(this.tokens, index + 1);
      const list = this.rewrite({ from: index + 2, to: end });
      const alias = this.#alias(end + 1, to);
      const name = alias.name === undefined ? 'unnested' : alias.name;
      out.push(`unnest(${list}) AS ${quote(name)}(${quote(name)})`);
      return alias.to;
    }
    const { parts, to: after } = path(this.tokens, index);
    if (parts.length === 1 && this.#ctes.has(parts[0]?.toLowerCase() ?? '')) {
      out.push(quote(parts[0] ?? ''));
      return after;
    }
    const before = this.#snapshot(after, to);
    const alias = this.#alias(before.to, to);
    const behind = before.micros === undefined ? this.#snapshot(alias.to, to) : { ...before, to: alias.to };
    const table = this.#names.table(parts, behind.micros);
    if (table.filter !== undefined)
      requireFilterInQuery(this.tokens, index, alias.name ?? table.name, table.filter);
    this.learn(table);
    Object.assign(this.bindings, table.bindings);
    out.push(`${table.sql} AS ${quote(alias.name ?? table.name)}`);
    return behind.to;
  }

  /** FOR SYSTEM_TIME AS OF …, whose moment was worked out before. */
  #snapshot(index: number, to: number): { micros?: bigint; to: number } {
    const range = snapshotRange(this.tokens, index, to);
    const micros = range && this.#snapshots.get(range.from);
    return range && micros !== undefined ? { micros, to: range.to } : { to: index };
  }

  #alias(index: number, to: number): { name?: string; to: number } {
    const as = at(this.tokens, index).upper === 'AS';
    const token = at(this.tokens, as ? index + 1 : index);
    if (index >= to || token.text === '') return { to: index };
    if (as || token.kind === 'quoted' || (token.kind === 'word' && !NOT_ALIAS.has(token.upper))) {
      return { name: token.value, to: index + (as ? 2 : 1) };
    }
    return { to: index };
  }

  #isCte(index: number): boolean {
    const before = at(this.tokens, index - 1);
    return (
      this.#ctes.has(nameOf(at(this.tokens, index))) &&
      index > 0 &&
      (before.upper === 'WITH' || before.text === ',' || before.upper === 'RECURSIVE')
    );
  }
}

const hex = (text: string): string => (/^0[xX]/.test(text) ? BigInt(text).toString() : text);
const isUnit = (token: Token): boolean =>
  token.kind === 'word' &&
  /^(MICRO|MILLI)?SECOND$|^(MINUTE|HOUR|DAY|WEEK|MONTH|QUARTER|YEAR)$/.test(token.upper);

function blobOf(bytes: Buffer): DuckDBValue {
  return new DuckDBBlobValue(bytes);
}
