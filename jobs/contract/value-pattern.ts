import { RE2JS } from 're2js';

/**
 * What a value has to look like, as a regular expression of RE2 (https://github.com/google/re2/wiki/Syntax) that
 * matches the whole of it. Job and workflow run re2js, the Spark application Google's own RE2 (google-re2); the
 * patterns taken are those that mean the same to both, whatever table of Unicode each was built with.
 */

const MOST_CHARACTERS = 500;
/**
 * RE2 gives up at 131,072 instructions (8 MiB, of which a quarter is the program's: re2/compile.cc). A class of
 * characters costs it up to some 70, one step of re2js.
 */
const MOST_STEPS = 1800;

/** An escape with the character after its backslash, or the beginning of a group with flags. */
const TOKEN = /\\([\s\S])|\(\?([a-zA-Z-]*)/g;

/** What two builds of RE2 do not have in common; null where the pattern has none of it. */
function uncommon(pattern: string): string | null {
  let folded = false;
  let beyond = /[^\x20-\x7e]/.test(pattern);
  for (const [, escaped, flags] of pattern.matchAll(TOKEN)) {
    if (escaped === 'p' || escaped === 'P')
      return 'must not have \\p or \\P: which characters these are differs from one version of Unicode to the next';
    if (escaped === 'C') return 'must not have \\C: a value is text, not bytes';
    if (escaped !== undefined && /[x0-7]/.test(escaped)) beyond = true;
    if (flags?.replace(/-.*/, '').includes('i')) folded = true;
  }
  return folded && beyond
    ? 'must be ASCII, without \\x and octal numbers, where it has (?i): other pairs of capitals and small letters differ from one version of Unicode to the next'
    : null;
}

/**
 * What is wrong with a pattern, in words that follow the setting's name; null for a right one.
 *
 * @example
 * patternFault('[^@]+@[^@]+'); // null
 * patternFault('(?=a)'); // 'must be a pattern of RE2: invalid or unsupported Perl syntax: `(?=`'
 */
export function patternFault(pattern: string): string | null {
  if (pattern === '' || pattern.length > MOST_CHARACTERS)
    return `must be a pattern of 1 to ${MOST_CHARACTERS} characters`;
  if (/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(pattern))
    return 'must have no control characters: write \\n, \\t or \\x{…}';
  // The workflow's definition would take it for the beginning of an expression.
  if (pattern.includes('$' + '{')) return 'must not have a dollar before a brace: write [$]{';
  try {
    if (RE2JS.compile(pattern).programSize() > MOST_STEPS)
      return 'must be smaller: its repetitions multiply to too many steps';
  } catch (error) {
    const words = (error as Error).message.replace('error parsing regexp: ', '');
    return `must be a pattern of RE2: ${words}`;
  }
  return uncommon(pattern);
}

/**
 * The same pattern for a function that looks for it anywhere in a value, as REGEXP_CONTAINS does.
 *
 * @example
 * anchored('[^@]+@[^@]+'); // '\\A(?:[^@]+@[^@]+)\\z'
 * anchored('\\Qa.b'); // '\\A(?:\\Qa.b\\E)\\z'
 */
export function anchored(pattern: string): string {
  // A quotation that is not ended would take in all that follows.
  const escapes = pattern.match(/\\Q[\s\S]*?(?:\\E|$)|\\[\s\S]/g) ?? [];
  const quoting = escapes.some((one) => one.startsWith('\\Q') && !one.endsWith('\\E'));
  return `\\A(?:${pattern}${quoting ? '\\E' : ''})\\z`;
}

/**
 * Whether the whole of a value, in UTF-8, matches a pattern.
 *
 * @example
 * const isEmail = valueMatcher('[^@]+@[^@]+');
 * isEmail(Buffer.from('ada@example.com')); // true
 */
export function valueMatcher(pattern: string): (value: Uint8Array) => boolean {
  const compiled = RE2JS.compile(pattern);
  return (value) => compiled.testExact(value);
}

/**
 * Whether a field's value matches the field's pattern, each compiled once for many values; true for a field without one.
 *
 * @example
 * const matches = valueMatchers({ email: '[^@]+@[^@]+' });
 * matches('email', Buffer.from('ada@example.com')); // true
 */
export function valueMatchers(
  patterns: Readonly<Record<string, string>>,
): (field: string, value: Uint8Array) => boolean {
  const matchers = new Map(
    Object.entries(patterns).map(([field, pattern]) => [field, valueMatcher(pattern)]),
  );
  return (field, value) => matchers.get(field)?.(value) ?? true;
}
