import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AEAD, DETERMINISTIC } from '../../../jobs/contract/algorithms.ts';
import { type Harness, harness, KEY, type Params } from '../../support/harness.ts';

/** What GoogleSQL's compliance tests (aead.test, keys.test) and BigQuery's reference say of DETERMINISTIC_*. */
let h: Harness;
let wrapped: string;
let wrappedAead: string;
beforeAll(async () => {
  h = await harness();
  const made = `KEYS.NEW_WRAPPED_KEYSET(${KMS}, '${DETERMINISTIC}'), KEYS.NEW_WRAPPED_KEYSET(${KMS}, '${AEAD}')`;
  [[wrapped, wrappedAead] = ['', '']] = (await h.sql(`SELECT ${made}`)) as [[string, string]];
});
afterAll(() => h.close());

const KMS = `'gcp-kms://${KEY}'`;
const CHAIN = `KEYS.KEYSET_CHAIN(${KMS}, @keyset)`;
const AEAD_CHAIN = `KEYS.KEYSET_CHAIN(${KMS}, @other)`;
const NEW = `KEYS.NEW_KEYSET('${DETERMINISTIC}')`;
const params = (more: Params = {}): Params => ({
  keyset: ['BYTES', wrapped],
  other: ['BYTES', wrappedAead],
  ...more,
});
const one = async (sql: string, more: Params = {}): Promise<string | null | undefined> =>
  (await h.sql(`SELECT ${sql}`, params(more)))[0]?.[0];
const failure = (sql: string, more: Params = {}): Promise<string> => h.failure(`SELECT ${sql}`, params(more));

const VALUES = `SELECT 'plaintext' AS text, b'plaintext' AS bytes UNION ALL SELECT 'жэчыщчыщя', b'\\x00\\xff\\xfe'
  UNION ALL SELECT '', b'' UNION ALL SELECT NULL, NULL`;

describe.each([
  ['a wrapped keyset', CHAIN],
  ['a keyset in the clear', 'k'],
])('under %s', (_what, keyset) => {
  const from = `FROM (SELECT ${NEW} AS k)`;

  it('values open to what they were, STRING and BYTES, under any AAD', async () => {
    for (const aad of ['abc', '']) {
      const text = `DETERMINISTIC_DECRYPT_STRING(${keyset}, DETERMINISTIC_ENCRYPT(${keyset}, text, '${aad}'), '${aad}')`;
      const bytes = `DETERMINISTIC_DECRYPT_BYTES(${keyset}, DETERMINISTIC_ENCRYPT(${keyset}, bytes, b'${aad}'), b'${aad}')`;
      const rows = `WITH keys AS (SELECT ${NEW} AS k) SELECT COUNT(*), COUNTIF(${text} = text), COUNTIF(${bytes} = bytes), COUNTIF(${text} IS NULL) FROM (${VALUES}), keys`;
      expect(await h.sql(rows, params())).toEqual([['4', '3', '3', '1']]);
    }
  });

  it('equal values are equal, and others are not', async () => {
    const sealed = (text: string, aad = 'email'): string =>
      `DETERMINISTIC_ENCRYPT(${keyset}, '${text}', '${aad}')`;
    expect(
      await h.sql(
        `SELECT ${sealed('a')} = ${sealed('a')}, ${sealed('a')} = ${sealed('b')}, ${sealed('a')} = ${sealed('a', 'phone')},
           LENGTH(${sealed('abc')}), ${sealed('a')} = DETERMINISTIC_ENCRYPT(${keyset}, b'a', b'email') ${from}`,
        params(),
      ),
    ).toEqual([['true', 'false', 'false', '24', 'true']]);
  });

  it.each([
    ['STRING', "b'123', ''"],
    ['STRING', `DETERMINISTIC_ENCRYPT(${keyset}, 'plaintext', 'aad'), 'different aad'`],
    ['BYTES', `DETERMINISTIC_ENCRYPT(${keyset}, b'plaintext', b'aad'), b'different aad'`],
  ])('DETERMINISTIC_DECRYPT_%s(keyset, %s) fails, and is NULL under SAFE.', async (kind, args) => {
    const call = `DETERMINISTIC_DECRYPT_${kind}(${keyset}, ${args})`;
    expect(await failure(`${call} ${from}`)).toContain(
      `DETERMINISTIC_DECRYPT_${kind} failed: decryption failed`,
    );
    expect(await one(`SAFE.${call} ${from}`)).toBeNull();
  });

  it('what is no text opens as BYTES alone', async () => {
    const sealed = `DETERMINISTIC_ENCRYPT(${keyset}, b'\\xff\\xfe', b'')`;
    const text = `DETERMINISTIC_DECRYPT_STRING(${keyset}, ${sealed}, '')`;
    expect(await failure(`${text} ${from}`)).toContain('not valid UTF-8');
    expect(await one(`SAFE.${text} ${from}`)).toBeNull();
    expect(await one(`DETERMINISTIC_DECRYPT_BYTES(${keyset}, ${sealed}, b'') ${from}`)).toBe('//4=');
  });
});

it.each(['DETERMINISTIC_ENCRYPT', 'DETERMINISTIC_DECRYPT_BYTES'])(
  '%s takes no empty keyset',
  async (name) => {
    expect(await failure(`${name}(b'', b'', b'')`)).toContain(`${name} failed`);
    expect(await one(`SAFE.${name}(b'', b'', b'')`)).toBeNull();
  },
);

it("a keyset of one type is none of the other's", async () => {
  const calls = [
    `DETERMINISTIC_ENCRYPT(${AEAD_CHAIN}, b'a', b'')`,
    `DETERMINISTIC_DECRYPT_BYTES(${AEAD_CHAIN}, DETERMINISTIC_ENCRYPT(${CHAIN}, b'a', b''), b'')`,
    `DETERMINISTIC_ENCRYPT(KEYS.NEW_KEYSET('${AEAD}'), b'a', b'')`,
    `AEAD.ENCRYPT(${CHAIN}, b'a', b'')`,
    `AEAD.DECRYPT_BYTES(${CHAIN}, AEAD.ENCRYPT(${AEAD_CHAIN}, b'a', b''), b'')`,
    `AEAD.ENCRYPT(${NEW}, b'a', b'')`,
  ];
  for (const call of calls) {
    expect(await failure(call)).toContain(`${call.slice(0, call.indexOf('('))} failed`);
    expect(await one(`SAFE.${call}`)).toBeNull();
  }
  // A branch that is not taken is not evaluated.
  expect(
    await one(
      `IF(FALSE, DETERMINISTIC_ENCRYPT(${AEAD_CHAIN}, CAST(i AS STRING), ''), b'a') FROM UNNEST(GENERATE_ARRAY(1, 1)) AS i`,
    ),
  ).toBe('YQ==');
});

describe('keysets', () => {
  it('rotate with their own type, and open what the old key has sealed', async () => {
    const rotate = (type: string): string => `KEYS.ROTATE_WRAPPED_KEYSET(${KMS}, @keyset, '${type}')`;
    const rotated = (await one(rotate(DETERMINISTIC))) ?? '';
    const sealed = (await one(`DETERMINISTIC_ENCRYPT(${CHAIN}, 'old', '')`)) ?? '';
    const next: Params = { keyset: ['BYTES', rotated], sealed: ['BYTES', sealed] };
    expect(await one(`DETERMINISTIC_DECRYPT_STRING(${CHAIN}, @sealed, '')`, next)).toBe('old');
    expect(await one(`DETERMINISTIC_ENCRYPT(${CHAIN}, 'old', '')`, next)).not.toBe(sealed);
    expect(await failure(rotate(AEAD))).toBe(
      `KEYS.ROTATE_WRAPPED_KEYSET failed: the keyset has keys of another type than ${AEAD}`,
    );
    expect(await failure(rotate('AES'))).toContain("must be one of 'AEAD_AES_GCM_256', 'DETERMINISTIC");
  });

  it('are made of either type and of no other', async () => {
    const json = JSON.parse((await one(`KEYS.KEYSET_TO_JSON(${NEW})`)) ?? '');
    expect(json.key[0]).toMatchObject({
      keyData: { typeUrl: 'type.googleapis.com/google.crypto.tink.AesSivKey' },
      outputPrefixType: 'TINK',
      status: 'ENABLED',
    });
    expect(await one(`KEYS.KEYSET_LENGTH(${NEW})`)).toBe('1');
    const type = (name: string): Params => ({ type: ['STRING', name] });
    expect(await one('KEYS.KEYSET_LENGTH(KEYS.NEW_KEYSET(@type))', type(DETERMINISTIC))).toBe('1');
    expect(await failure('KEYS.NEW_KEYSET(@type)', type('AES'))).toContain('Invalid key type');
    expect(await one('SAFE.KEYS.NEW_KEYSET(@type)', type('AES'))).toBeNull();
    expect(await failure("KEYS.NEW_KEYSET('AES')")).toContain("must be one of 'AEAD_AES_GCM_256', 'DETERMIN");
    expect(await failure(`KEYS.NEW_WRAPPED_KEYSET(${KMS}, 'AES')`)).toContain(
      "must be one of 'AEAD_AES_GCM_256'",
    );
  });
});
