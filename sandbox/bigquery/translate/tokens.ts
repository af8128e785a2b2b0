import { invalidQuery } from '../../errors/google-error.ts';

/**
 * One token of GoogleSQL: https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical
 * `text` is the source, `value` what a literal or a quoted identifier stands for.
 */
export interface Token {
  kind: 'word' | 'quoted' | 'string' | 'bytes' | 'number' | 'parameter' | 'system' | 'symbol' | 'end';
  text: string;
  /** Upper case for words: keywords and function names are case-insensitive. */
  upper: string;
  value: string;
  /** Decoded content of a BYTES literal. */
  bytes?: Buffer;
  start: number;
  end: number;
}

const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const SPACE = /(?:\s+|#[^\n]*|--[^\n]*|\/\*[\s\S]*?\*\/)+/y;
const QUOTE = /(?:[rR][bB]?|[bB][rR]?)?("""|'''|"|')/y;
const SYMBOL = /<=|>=|<>|!=|\|\||<<|>>|=>|@@|[-+*/%=<>(),.;[\]{}?@&|^~:]/y;

/** Cuts a text into tokens, without comments and blanks; the last one is of kind `end`. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(source);
  };
  const push = (kind: Token['kind'], end: number, value?: string, bytes?: Buffer): void => {
    const text = source.slice(at, end);
    const upper = kind === 'word' || kind === 'symbol' ? text.toUpperCase() : '';
    tokens.push({ kind, text, upper, value: value ?? text, start: at, end, ...(bytes ? { bytes } : {}) });
    at = end;
  };
  for (;;) {
    at += match(SPACE)?.[0].length ?? 0;
    if (at >= source.length) break;
    const quote = match(QUOTE);
    if (quote) {
      const { end, value, bytes } = literal(source, at, quote[0], quote[1] ?? "'");
      push(bytes ? 'bytes' : 'string', end, value, bytes);
      continue;
    }
    if (source[at] === '`') {
      const end = source.indexOf('`', at + 1);
      if (end < 0) throw syntax('Unclosed identifier literal', source, at);
      push('quoted', end + 1, source.slice(at + 1, end));
      continue;
    }
    const word = match(WORD);
    if (word) {
      push('word', at + word[0].length);
      continue;
    }
    const number = match(NUMBER);
    // `t.1` does not exist: a dot before digits starts a number only where no path goes before it.
    if (number) {
      push('number', at + number[0].length);
      continue;
    }
    const symbol = match(SYMBOL);
    if (!symbol) throw syntax('Illegal input character', source, at);
    if (symbol[0] === '@' || symbol[0] === '@@') {
      const kind = symbol[0] === '@' ? 'parameter' : 'system';
      const name = /(?:`[^`]+`|[A-Za-z_][A-Za-z0-9_]*)(?:\.[A-Za-z_][A-Za-z0-9_]*)*/y;
      const plain = kind === 'parameter' ? /`?[A-Za-z_][A-Za-z0-9_]*`?/y : name;
      plain.lastIndex = at + symbol[0].length;
      const found = plain.exec(source);
      if (!found) throw syntax(`Unexpected "${symbol[0]}"`, source, at);
      push(kind, plain.lastIndex, found[0].replaceAll('`', '').toLowerCase());
      continue;
    }
    push('symbol', at + symbol[0].length);
  }
  tokens.push({ kind: 'end', text: '', upper: '', value: '', start: source.length, end: source.length });
  return tokens;
}

function literal(source: string, start: number, opening: string, quote: string) {
  const prefix = opening.slice(0, opening.length - quote.length).toLowerCase();
  const raw = prefix.includes('r');
  const isBytes = prefix.includes('b');
  let at = start + opening.length;
  const parts: Buffer[] = [];
  let plain = at;
  const flush = (): void => {
    if (at > plain) parts.push(Buffer.from(source.slice(plain, at), 'utf8'));
  };
  while (!source.startsWith(quote, at)) {
    if (at >= source.length || (quote.length === 1 && source[at] === '\n')) {
      throw syntax('Unclosed string literal', source, start);
    }
    if (source[at] !== '\\') {
      at++;
      continue;
    }
    if (raw) {
      at += 2;
      continue;
    }
    flush();
    const escaped = escapeAt(source, at, isBytes);
    parts.push(escaped.bytes);
    at = escaped.end;
    plain = at;
  }
  flush();
  const bytes = Buffer.concat(parts);
  return {
    end: at + quote.length,
    value: isBytes ? '' : bytes.toString('utf8'),
    ...(isBytes ? { bytes } : {}),
  };
}

const SIMPLE: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '?': '?',
  '"': '"',
  "'": "'",
  '`': '`',
};

function escapeAt(source: string, at: number, isBytes: boolean): { bytes: Buffer; end: number } {
  const letter = source[at + 1] ?? '';
  const simple = SIMPLE[letter];
  if (simple !== undefined) return { bytes: Buffer.from(simple), end: at + 2 };
  const numeric = /\\(?:[xX]([0-9a-fA-F]{2})|([0-3][0-7]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y;
  numeric.lastIndex = at;
  const match = numeric.exec(source);
  const [, hex, octal, short, long] = match ?? [];
  const point = short ?? long;
  if (!match || (isBytes && point !== undefined)) throw syntax('Illegal escape sequence', source, at);
  const code = Number.parseInt(hex ?? octal ?? point ?? '', octal === undefined ? 16 : 8);
  const bytes = isBytes ? Buffer.from([code]) : Buffer.from(String.fromCodePoint(code), 'utf8');
  return { bytes, end: numeric.lastIndex };
}

/** A syntax error in BigQuery's words, with the place as [line:column]. */
export function syntax(message: string, source: string, at: number): Error {
  const before = source.slice(0, at).split('\n');
  return invalidQuery(`Syntax error: ${message} at [${before.length}:${(before.at(-1)?.length ?? 0) + 1}]`);
}
