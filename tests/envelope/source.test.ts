import { createCipheriv, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SOURCE_FORMATS, type SourceFormat } from '../../jobs/deployment.ts';
import { sealAead } from '../../jobs/envelope/aead.ts';
import { aesKey, gcmSeal } from '../../jobs/envelope/aes.ts';
import { asDataKey } from '../../jobs/envelope/brands.ts';
import { newKeyset, serializeKeyset } from '../../jobs/envelope/keyset.ts';
import { REASONS, Refusal } from '../../jobs/envelope/reasons.ts';
import { sourceFormat } from '../../jobs/envelope/source.ts';

const none = Buffer.alloc(0);
const raw = randomBytes(32);
const keyset = newKeyset();
/** An AesGcmKey of 32 bytes: tag and length of field 3, then the key. */
const aesGcmKey = Buffer.concat([Buffer.from([0x1a, 32]), raw]);

interface Left {
  key: Buffer;
  encrypt(text: Buffer): string;
}
/** What an application would have left, per format. */
const left: Record<SourceFormat, Left> = {
  gcm: { key: raw, encrypt: (text) => gcmSeal(none, aesKey(raw), text, none).toString('base64') },
  dotted: {
    key: raw,
    encrypt(text) {
      const iv = randomBytes(16);
      const cipher = createCipheriv('aes-256-cbc', raw, iv);
      const sealed = Buffer.concat([cipher.update(text), cipher.final()]);
      return `${iv.toString('base64')}.${sealed.toString('base64')}`;
    },
  },
  tink: { key: serializeKeyset(keyset), encrypt: (text) => sealAead(keyset, text, none).toString('base64') },
  'tink-envelope': {
    key: aesGcmKey,
    encrypt(text) {
      const payload = gcmSeal(none, aesKey(raw), text, none);
      return Buffer.concat([Buffer.from([0, 0, 0, 3]), Buffer.from('kek'), payload]).toString('base64');
    },
  },
};

describe.each(SOURCE_FORMATS)('%s', (name) => {
  const { key, encrypt } = left[name];
  const open = sourceFormat(name).prepare(asDataKey(key));

  it('opens any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(open(encrypt(Buffer.from(text))).toString()).toBe(Buffer.from(text).toString());
      }),
    );
  });

  it('refuses anything else with a reason of the vocabulary', () => {
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
          expect(error).toBeInstanceOf(Refusal);
          expect(REASONS).toContain((error as Refusal).reason);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses bytes that are no UTF-8', () => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
      expect(() => open(encrypt(Buffer.from(bytes)))).toThrow(new Refusal('plaintext-not-utf8'));
    }
  });
});

it('keeps a byte order mark: it is part of the value', () => {
  const { key, encrypt } = left.gcm;
  const text = Buffer.from([0xef, 0xbb, 0xbf, 0x61]);
  expect(sourceFormat('gcm').prepare(asDataKey(key))(encrypt(text))).toEqual(text);
});
