import { createCipheriv, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Harness, harness, type Params } from '../../support/harness.ts';

/** What GoogleSQL's compliance tests (keys.test, aead.test) and BigQuery's reference say of keysets in the clear. */
let h: Harness;
beforeAll(async () => {
  h = await harness();
});
afterAll(() => h.close());

const NEW = "KEYS.NEW_KEYSET('AEAD_AES_GCM_256')";
const add = (type: string, key = '@key', keyset = NEW): string =>
  `KEYS.ADD_KEY_FROM_RAW_BYTES(${keyset}, ${type}, ${key})`;
const bytes = (value: Buffer | null): [string, string | null] => ['BYTES', value?.toString('base64') ?? null];
const one = async (sql: string, params: Params = {}): Promise<string | null | undefined> =>
  (await h.sql(`SELECT ${sql}`, params))[0]?.[0];

/** iv | ct | tag */
function gcm(key: Buffer, text: string | Buffer, aad = ''): Buffer {
  const iv = randomBytes(12);
  const cipher = createCipheriv(key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm', key, iv);
  cipher.setAAD(Buffer.from(aad));
  return Buffer.concat([iv, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}
/** iv | ct */
function cbc(key: Buffer, text: string | Buffer): Buffer {
  const iv = randomBytes(16);
  const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv);
  return Buffer.concat([iv, cipher.update(text), cipher.final()]);
}

describe('a RAW key', () => {
  it.each([16, 32])('of %i bytes opens AES-GCM', async (length) => {
    const key = randomBytes(length);
    const opened = await one(`AEAD.DECRYPT_STRING(${add("'AES_GCM'")}, @sealed, 'aad')`, {
      key: bytes(key),
      sealed: bytes(gcm(key, 'łukasz@example.com', 'aad')),
    });
    expect(opened).toBe('łukasz@example.com');
  });

  it.each([16, 24, 32])('of %i bytes opens AES-CBC', async (length) => {
    const key = randomBytes(length);
    const opened = await one(`AEAD.DECRYPT_STRING(${add("'AES_CBC_PKCS'")}, @sealed, '')`, {
      key: bytes(key),
      sealed: bytes(cbc(key, 'ada@example.com')),
    });
    expect(opened).toBe('ada@example.com');
  });

  it('leaves the primary key as it was, which seals, and opens beside it', async () => {
    const both = `SELECT AEAD.DECRYPT_STRING(keyset, AEAD.ENCRYPT(keyset, 'me', ''), ''), LENGTH(AEAD.ENCRYPT(keyset, '', '')), KEYS.KEYSET_LENGTH(keyset)
      FROM (SELECT ${add("'AES_CBC_PKCS'", '@key', add("'AES_GCM'"))} AS keyset)`;
    expect(await h.sql(both, { key: bytes(randomBytes(32)) })).toEqual([['me', '33', '3']]);
  });

  it('is no primary key: a keyset of it alone opens nothing', async () => {
    const opened = `AEAD.DECRYPT_BYTES(${add("'AES_GCM'", '@key', "b''")}, @key, b'')`;
    const params = { key: bytes(randomBytes(32)) };
    expect(await h.failure(`SELECT ${opened}`, params)).toContain('AEAD.DECRYPT_BYTES failed');
    expect(await one(`SAFE.${opened}`, params)).toBeNull();
  });

  it('stands in the order in which it was added, as the type that GoogleSQL gives it', async () => {
    const json = await one(`KEYS.KEYSET_TO_JSON(${add("'AES_GCM'", '@key', add("'AES_CBC_PKCS'"))})`, {
      key: bytes(randomBytes(16)),
    });
    expect(json).toMatch(/AesGcmKey.*AesCbcPkcs7Key.*AesGcmKey/);
    const { key } = JSON.parse(json ?? '{}');
    expect(key.map(({ outputPrefixType }: { outputPrefixType: string }) => outputPrefixType)).toEqual([
      'TINK',
      'RAW',
      'RAW',
    ]);
  });

  it.each([
    [17, 'AES_GCM', '16 or 32'],
    [24, 'AES_GCM', '16 or 32'],
    [5, 'AES_CBC_PKCS', '16, 24, or 32'],
  ])('of %i bytes is none of %s', async (length, type, fit) => {
    const params = { key: bytes(Buffer.alloc(length)) };
    expect(await h.failure(`SELECT ${add(`'${type}'`)}`, params)).toBe(
      `Failed to add a key from raw bytes: Unsupported key size: ${length} bytes; expected ${fit} bytes.`,
    );
    expect(await one(`SAFE.${add(`'${type}'`)}`, params)).toBeNull();
  });

  it('takes its type from a literal or a parameter, and NULL for NULL', async () => {
    const key = bytes(Buffer.alloc(16));
    const wrong: Params[string] = ['STRING', 'AEAD_AES_GCM_256'];
    const none: Params[string] = ['STRING', null];
    expect(await h.failure(`SELECT ${add('@type')}`, { key, type: wrong })).toBe(
      'Invalid key type provided to KEYS.ADD_KEY_FROM_RAW_BYTES: AEAD_AES_GCM_256',
    );
    expect(await one(add('@type'), { key, type: none })).toBeNull();
    expect(await one(add("'AES_GCM'", '@key', 'CAST(NULL AS BYTES)'), { key })).toBeNull();
    expect(await one(add("'AES_GCM'"), { key: bytes(null) })).toBeNull();
    expect(await h.failure(`SELECT ${add("CONCAT('AES', '_GCM')")}`, { key })).toContain(
      'must be a string literal or query parameter',
    );
  });

  it('gets another id each time', async () => {
    const rows = await h.sql(
      `SELECT COUNT(DISTINCT ${add("'AES_GCM'", '@key', 'keyset')}) FROM (SELECT ${NEW} AS keyset), UNNEST(GENERATE_ARRAY(1, 100)) AS i`,
      { key: bytes(Buffer.alloc(16)) },
    );
    expect(rows).toEqual([['100']]);
  });
});

describe('KEYS.NEW_KEYSET', () => {
  it('is another each time it stands there, and one where its result does', async () => {
    expect(await h.sql(`SELECT ${NEW} != ${NEW}`)).toEqual([['true']]);
    expect(await h.sql(`SELECT COUNT(DISTINCT ${NEW}) FROM UNNEST(GENERATE_ARRAY(1, 5000)) AS i`)).toEqual([
      ['5000'],
    ]);
    expect(await h.sql(`WITH t AS (SELECT ${NEW} AS k) SELECT k = k FROM t`)).toEqual([['true']]);
  });

  it('takes its type from a literal or a parameter that may be NULL', async () => {
    expect(await one("KEYS.NEW_KEYSET(@type) != b''", { type: ['STRING', 'AEAD_AES_GCM_256'] })).toBe('true');
    expect(await one('KEYS.NEW_KEYSET(@type)', { type: ['STRING', null] })).toBeNull();
    expect(await h.failure('SELECT KEYS.NEW_KEYSET(NULL)')).toContain(
      'First argument (key type) in function KEYS.NEW_KEYSET must be a string literal or query parameter',
    );
  });
});

describe('SAFE.', () => {
  it.each([
    ['AEAD.ENCRYPT', "b'', b'', b''"],
    ['AEAD.DECRYPT_BYTES', "b'', b'', b''"],
    ['AEAD.DECRYPT_BYTES', `${NEW}, b'', b''`],
    ['AEAD.DECRYPT_STRING', `${NEW}, b'', ''`],
    ['KEYS.KEYSET_TO_JSON', "b'123'"],
    ['KEYS.KEYSET_LENGTH', "b'123'"],
    ['FROM_BASE64', "'~'"],
  ])('%s(%s) is NULL', async (name, args) => {
    expect(await one(`SAFE.${name}(${args})`)).toBeNull();
    expect(await h.failure(`SELECT ${name}(${args})`)).not.toBe('');
  });

  it('makes NULL of what is no text, of a wrong tag and of a wrong padding, row by row', async () => {
    const key = randomBytes(32);
    const damaged = gcm(key, 'ada');
    damaged.writeUInt8(damaged.readUInt8(20) ^ 1, 20);
    const short = cbc(key, 'ada').subarray(0, 31);
    const rows = await h.sql(
      `SELECT SAFE.AEAD.DECRYPT_STRING(${add("'AES_GCM'")}, @good, ''), SAFE.AEAD.DECRYPT_STRING(${add("'AES_GCM'")}, @latin, ''),
         SAFE.AEAD.DECRYPT_BYTES(${add("'AES_GCM'")}, @damaged, b''), SAFE.AEAD.DECRYPT_BYTES(${add("'AES_CBC_PKCS'")}, @short, b'')`,
      {
        key: bytes(key),
        good: bytes(gcm(key, 'ada')),
        latin: bytes(gcm(key, Buffer.from([0xff, 0xfe]))),
        damaged: bytes(damaged),
        short: bytes(short),
      },
    );
    expect(rows).toEqual([['ada', null, null, null]]);
  });

  it('stands before no function that the sandbox does not have under it', async () => {
    expect(await h.failure("SELECT SAFE.UPPER('a')")).toContain('Function not found: SAFE.UPPER');
    expect(await h.failure("SELECT SAFE.KEYS.KEYSET_CHAIN('a', b'')")).toContain(
      'Function not found: SAFE.KEYS',
    );
  });
});
