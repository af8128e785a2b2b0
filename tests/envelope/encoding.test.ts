import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Rejection } from '../../jobs/contract/reasons.ts';
import { decodeBase64, decodeDek } from '../../jobs/envelope/encoding.ts';

const rejection = (work: () => unknown): string | null => {
  try {
    work();
    return null;
  } catch (error) {
    return error instanceof Rejection ? error.reason : String(error);
  }
};

describe('base64', () => {
  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decodeBase64(Buffer.from(bytes).toString('base64'))).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it.each(['YQ', 'YQ=', 'YR==', 'Y Q=', 'YQ==\n', 'YQ==#', '_w==', 'YQ==YQ==', '='])(
    'does not take %j',
    (text) => {
      expect(decodeBase64(text)).toBeNull();
    },
  );
});

describe('a dek', () => {
  it('is hex where it is nothing else', () => {
    expect(decodeDek('00FFab')).toEqual(Buffer.from([0, 255, 171]));
  });
  it('is base64 otherwise', () => expect(decodeDek('AP+r')).toEqual(Buffer.from([0, 255, 171])));
  it.each([
    ['', 'dek-refused'],
    ['abc', 'encoding'],
    ['0x0', 'encoding'],
    ['%%%%', 'encoding'],
  ])('rejects %j as %s', (text, reason) => expect(rejection(() => decodeDek(text))).toBe(reason));
});
