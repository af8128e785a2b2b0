import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { algorithmOf } from '../../jobs/contract/algorithms.ts';
import { Rejection } from '../../jobs/contract/reasons.ts';
import { KEYINGS, type Keying } from '../../jobs/contract/settings/choices.ts';
import { aead, openAead } from '../../jobs/envelope/aead.ts';
import { asPlaintext } from '../../jobs/envelope/brands.ts';
import {
  type Keyset,
  newKeyset,
  parseKeyset,
  rotateKeyset,
  serializeKeyset,
} from '../../jobs/envelope/keysets.ts';
import { firstLevel, sealer } from '../../jobs/envelope/sealing.ts';

const id = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const keyset = newKeyset();
const NONE = Buffer.alloc(0);

/** Opens a row as BigQuery would, from the two columns. */
function open(
  keying: Keying,
  key: Buffer | null,
  value: Buffer,
  aad: string,
  under: Keyset,
  field = 'email',
): string {
  if (keying === 'deterministic') return firstLevel(keying, under).open(value, Buffer.from(field)).toString();
  const bytes = Buffer.from(aad);
  const last = keying === 'shared' ? under : parseKeyset(openAead(under, key ?? NONE, bytes));
  return openAead(last, value, bytes).toString();
}

describe.each(KEYINGS)('%s keying', (keying) => {
  const keyset = newKeyset(algorithmOf(keying));
  const seal = sealer(keying, firstLevel(keying, keyset));

  it('opens to what was sealed, for any id and any text', () => {
    fc.assert(
      fc.property(id, fc.string({ unit: 'binary' }), (aad, text) => {
        const { key, value } = seal(asPlaintext(Buffer.from(text)), aad, 'email');
        expect(open(keying, key, value, aad, keyset)).toBe(Buffer.from(text).toString());
      }),
    );
  });

  it(`does not open under another ${keying === 'deterministic' ? "field's name" : "row's id"}`, () => {
    const { key, value } = seal(asPlaintext(Buffer.from('ada@example.com')), '7', 'email');
    const [aad, field] = keying === 'deterministic' ? ['7', 'phone'] : ['8', 'email'];
    expect(() => open(keying, key, value, aad, keyset, field)).toThrow(new Rejection('authentication'));
  });

  it(keying === 'deterministic' ? 'is the same for each row' : 'never repeats an IV or a ciphertext', () => {
    const seen = new Set<string>();
    for (let n = 0; n < 20_000; n++)
      seen.add(seal(asPlaintext(Buffer.from('a')), String(n), 'email').value.toString('hex', 5, 17));
    expect(seen.size).toBe(keying === 'deterministic' ? 1 : 20_000);
  });

  it('still opens after the keyset was rotated', () => {
    const { key, value } = seal(asPlaintext(Buffer.from('ada@example.com')), '7', 'email');
    expect(open(keying, key, value, '7', rotateKeyset(keyset, algorithmOf(keying)))).toBe('ada@example.com');
  });
});

it('gives every row a key of its own', () => {
  const seal = sealer('row', aead(keyset));
  const keys = Array.from({ length: 5000 }, (_, row) => {
    const aad = Buffer.from(String(row));
    const inner = parseKeyset(
      openAead(keyset, seal(asPlaintext(Buffer.from('a')), String(row), 'email').key ?? NONE, aad),
    );
    return `${inner.primaryKeyId}:${Buffer.from(inner.keys[0]?.aes ?? []).toString('hex')}`;
  });
  expect(new Set(keys).size).toBe(5000);
});

describe('a keyset', () => {
  it('survives being written and read', () => {
    const rotated = rotateKeyset(rotateKeyset(newKeyset()));
    const back = parseKeyset(serializeKeyset(rotated));
    expect(JSON.stringify(back)).toBe(JSON.stringify(rotated));
  });

  it('is rejected, never misread, when damaged', () => {
    const good = serializeKeyset(keyset);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bad = Buffer.from(good);
        bad[at] = (bad[at] ?? 0) ^ flip;
        try {
          aead(parseKeyset(bad)).open(Buffer.alloc(40, 1), Buffer.alloc(0));
        } catch (error) {
          expect(error).toBeInstanceOf(Rejection);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
