import { RE2JS } from 're2js';
import { describe, expect, it } from 'vitest';
import { anchored, patternFault, valueMatcher } from '../../jobs/contract/value-pattern.ts';

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

it('is held at both ends for a function that looks anywhere', () => {
  const matches = (pattern: string, text: string): boolean => RE2JS.compile(anchored(pattern)).test(text);
  expect(matches('a|ab', 'ab')).toBe(true);
  expect(matches('a|ab', 'abc')).toBe(false);
  // The backslash before the end of a quotation is part of it.
  expect(anchored(String.raw`\Qa\\E.`)).toBe(String.raw`\A(?:\Qa\\E.)\z`);
  expect(matches(String.raw`\Qa.b`, 'a.b')).toBe(true);
  expect(matches(String.raw`\Qa.b`, 'a.bc')).toBe(false);
  expect(anchored('(?<n>x)[(?<]')).toBe(String.raw`\A(?:(?P<n>x)[(?<])\z`);
});
