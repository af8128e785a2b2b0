import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REASONS, Rejection } from '../../jobs/contract/reasons.ts';
import { SOURCE_FORMATS } from '../../jobs/contract/settings/choices.ts';
import { asDataKey } from '../../jobs/envelope/brands.ts';
import { formatOf } from '../../jobs/envelope/formats.ts';
import { Application } from '../support/application.ts';

describe.each(SOURCE_FORMATS)('%s', (name) => {
  const { unwrapped, encrypt } = new Application(name).newKey();
  const open = formatOf(name).prepare(asDataKey(unwrapped), 'accept');

  it('opens any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(open(encrypt(Buffer.from(text))).plaintext.toString()).toBe(Buffer.from(text).toString());
      }),
    );
  });

  it('rejects anything else with a reason of the vocabulary', () => {
    const damaged = fc.tuple(fc.nat(), fc.string({ minLength: 1, maxLength: 3 })).map(([at, junk]) => {
      const text = encrypt(Buffer.from('ada@example.com'));
      const cut = at % text.length;
      return text.slice(0, cut) + junk + text.slice(cut + junk.length);
    });
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String(), damaged), (text) => {
        try {
          open(text);
        } catch (error) {
          expect(error).toBeInstanceOf(Rejection);
          expect(REASONS).toContain((error as Rejection).reason);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('rejects bytes that are no UTF-8', () => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
      expect(() => open(encrypt(Buffer.from(bytes)))).toThrow(new Rejection('plaintext-not-utf8'));
    }
  });
});

it('keeps a byte order mark: it is part of the value', () => {
  const { unwrapped, encrypt } = new Application('gcm').newKey();
  const text = Buffer.from([0xef, 0xbb, 0xbf, 0x61]);
  expect(formatOf('gcm').prepare(asDataKey(unwrapped), 'reject')(encrypt(text)).plaintext).toEqual(text);
});
