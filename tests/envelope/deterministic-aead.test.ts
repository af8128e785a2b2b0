import { aessiv } from '@noble/ciphers/aes.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DETERMINISTIC } from '../../jobs/contract/algorithms.ts';
import { Rejection } from '../../jobs/contract/reasons.ts';
import { aead } from '../../jobs/envelope/aead.ts';
import { deterministicAead } from '../../jobs/envelope/deterministic-aead.ts';
import {
  type Keyset,
  keysetToJson,
  newKeyset,
  parseKeyset,
  rotateKeyset,
  serializeKeyset,
} from '../../jobs/envelope/keysets.ts';

const keyset = newKeyset(DETERMINISTIC);
const { seal, open } = deterministicAead(keyset);
const EMAIL = Buffer.from('email');
const bytes = fc.uint8Array({ maxLength: 200 });
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

it('seals as RFC 5297 A.1 says', () => {
  const key = hex('fffefdfc fbfaf9f8 f7f6f5f4 f3f2f1f0 f0f1f2f3 f4f5f6f7 f8f9fafb fcfdfeff');
  const aad = hex('10111213 14151617 18191a1b 1c1d1e1f 20212223 24252627');
  const sealed = aessiv(key, aad).encrypt(hex('11223344 55667788 99aabbcc ddee'));
  expect(Buffer.from(sealed)).toEqual(
    hex('85632d07 c6e8f37f 950acd32 0a2ecc93 40c02b96 90c4dc04 daef7f6a fe5c'),
  );
});

it('opens what was sealed, any value under any AAD, empty ones too', () => {
  fc.assert(
    fc.property(bytes, bytes, (value, aad) => {
      const sealed = seal(value, aad);
      expect(sealed.length).toBe(value.length + 21);
      expect(open(sealed, aad)).toEqual(Buffer.from(value));
    }),
  );
});

it('makes equal ciphertexts of equal values under one AAD, and different ones of all others', () => {
  fc.assert(
    fc.property(bytes, bytes, (one, other) => {
      expect(seal(one, EMAIL)).toEqual(seal(Uint8Array.from(one), EMAIL));
      expect(seal(one, EMAIL)).not.toEqual(seal(one, Buffer.from('phone')));
      expect(seal(one, EMAIL).equals(seal(other, EMAIL))).toBe(Buffer.from(one).equals(other));
    }),
  );
});

it('rejects whatever byte is another', () => {
  const sealed = seal(Buffer.from('ada@example.com'), EMAIL);
  fc.assert(
    fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bad = Buffer.from(sealed);
      bad[at] = (bad[at] ?? 0) ^ flip;
      const reason = at === 0 ? 'version' : at < 5 ? 'unknown-key' : 'authentication';
      expect(() => open(bad, EMAIL)).toThrow(new Rejection(reason));
    }),
  );
  expect(() => open(sealed, Buffer.from('phone'))).toThrow(new Rejection('authentication'));
  expect(() => open(sealed.subarray(0, 20), EMAIL)).toThrow(new Rejection('truncated'));
});

it('opens after a rotation what was sealed before it, but seals it as something else', () => {
  const rotated = deterministicAead(rotateKeyset(keyset, DETERMINISTIC));
  const before = seal(Buffer.from('ada@example.com'), EMAIL);
  expect(rotated.open(before, EMAIL).toString()).toBe('ada@example.com');
  expect(rotated.seal(Buffer.from('ada@example.com'), EMAIL)).not.toEqual(before);
});

describe('a keyset', () => {
  it('survives being written and read', () => {
    const rotated = rotateKeyset(keyset, DETERMINISTIC);
    const back = parseKeyset(serializeKeyset(rotated));
    expect(JSON.stringify(back)).toBe(JSON.stringify(rotated));
    const { key } = JSON.parse(keysetToJson(keyset));
    expect(key[0].keyData).toMatchObject({
      typeUrl: 'type.googleapis.com/google.crypto.tink.AesSivKey',
      // Field 2 of an AesSivKey, 64 bytes.
      value: expect.stringMatching(/^Ek[A-D]/),
    });
  });

  it('of the other type, without a usable key or with a key of another length is rejected', () => {
    const with_ = (change: Partial<Keyset['keys'][number]>): Keyset => ({
      ...keyset,
      keys: keyset.keys.map((key) => ({ ...key, ...change })),
    });
    expect(() => deterministicAead(newKeyset())).toThrow(new Rejection('unknown-key'));
    expect(() => aead(keyset)).toThrow(new Rejection('unknown-key'));
    expect(() => deterministicAead(with_({ enabled: false }))).toThrow(new Rejection('unknown-key'));
    expect(() => deterministicAead(with_({ tinkPrefix: false }))).toThrow(new Rejection('unknown-key'));
    expect(() => deterministicAead(with_({ siv: Buffer.alloc(32) }))).toThrow(new Rejection('key-length'));
    expect(() => deterministicAead({ ...keyset, primaryKeyId: 1 }).seal(EMAIL, EMAIL)).toThrow(
      new Rejection('unknown-key'),
    );
  });
});
