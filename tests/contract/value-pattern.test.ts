import { describe, expect, it } from 'vitest';
import { patternFault, valueMatcher } from '../../jobs/contract/value-pattern.ts';

/** What a pattern matches is in tests/fixtures/values.json, for both engines. */

describe('a pattern is taken', () => {
  it.each([
    '[^@]+@[^@]+',
    String.raw`\+[0-9]{6,15}`,
    String.raw`(?i)[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}`,
    String.raw`\x{1F600}|é`,
    String.raw`\\p`,
    '(?s).{0,800}',
    '[$]{2}',
  ])('%s', (pattern) => {
    expect(patternFault(pattern)).toBeNull();
  });
});

describe('a pattern is not taken', () => {
  it.each([
    ['', 'of 1 to 500 characters'],
    ['a'.repeat(501), 'of 1 to 500 characters'],
    ['(?=a)', 'of RE2: invalid or unsupported Perl syntax'],
    [String.raw`(a)\1`, 'of RE2: invalid escape sequence'],
    ['[a', 'of RE2: missing closing ]'],
    ['a**', 'of RE2: invalid nested repetition operator'],
    ['a{1001}', 'of RE2: invalid repeat count'],
    [String.raw`\p{L}+`, 'not have \\p'],
    [String.raw`[\PN]`, 'not have \\p'],
    [String.raw`\C`, 'RE2: invalid escape sequence'],
    ['(?i)straße', 'must be ASCII'],
    [String.raw`(?is:\x{e9})`, 'must be ASCII'],
    [String.raw`a(?i)\351`, 'must be ASCII'],
    ['a\nb', 'no control characters'],
    ['\ud83d', 'no control characters'],
    [`a$${'{2}'}`, 'a dollar before a brace'],
    ['.{1000}.{1000}', 'smaller'],
    ['(?:(?:a{30}){30}){2}', 'of RE2: invalid repeat count'],
  ])('%j', (pattern, message) => {
    expect(patternFault(pattern)).toContain(message);
  });
});

it('takes linear time', () => {
  const began = performance.now();
  expect(valueMatcher('(a*)*b')(Buffer.from('a'.repeat(50_000)))).toBe(false);
  expect(performance.now() - began).toBeLessThan(5_000);
});
