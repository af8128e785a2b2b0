import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Harness, harness, KEY, LOCATION, type Params, RING, SOURCE } from '../../support/harness.ts';

interface Vector {
  kind: string;
  keyset: string;
  aad: string;
  ciphertext: string;
  plaintext: string;
  row_keyset_sealed: string;
}

const { vectors } = JSON.parse(readFileSync('tests/fixtures/envelope.json', 'utf8')) as { vectors: Vector[] };
const KMS = `'gcp-kms://${KEY}'`;
const CHAIN = `KEYS.KEYSET_CHAIN(${KMS}, @keyset)`;

let h: Harness;
let keyset: string;
beforeAll(async () => {
  h = await harness();
  const [[wrapped] = []] = await h.sql(`SELECT KEYS.NEW_WRAPPED_KEYSET(${KMS}, 'AEAD_AES_GCM_256')`);
  keyset = wrapped ?? '';
});
afterAll(() => h.close());

/** Wraps a serialised keyset as BigQuery would have it: Cloud KMS, empty AAD. */
async function wrap(serialized: string): Promise<string> {
  const { body } = await h.rest('POST', `/v1/${KEY}:encrypt`, { plaintext: serialized });
  return body.ciphertext;
}
const withKeyset = (params: Params = {}): Params => ({ keyset: ['BYTES', keyset], ...params });

describe("official Tink's ciphertexts open", () => {
  const sealed = vectors.filter(({ kind }) => kind === 'sealed');
  const rowKeys = vectors.filter(({ kind }) => kind === 'sealed-row-key');

  test(`${sealed.length} under a first-level keyset`, async () => {
    expect(sealed.length).toBeGreaterThan(0);
    for (const { keyset: serialized, aad, ciphertext, plaintext } of sealed) {
      const params: Params = {
        keyset: ['BYTES', await wrap(serialized)],
        ciphertext: ['BYTES', ciphertext],
        aad: ['STRING', aad],
      };
      expect(await h.sql(`SELECT AEAD.DECRYPT_STRING(${CHAIN}, @ciphertext, @aad)`, params)).toEqual([
        [plaintext],
      ]);
    }
  });

  test(`${rowKeys.length} under a row keyset that a first-level keyset opens, in one call or two`, async () => {
    expect(rowKeys.length).toBeGreaterThan(0);
    for (const { keyset: serialized, row_keyset_sealed, aad, ciphertext, plaintext } of rowKeys) {
      const params: Params = {
        keyset: ['BYTES', await wrap(serialized)],
        row: ['BYTES', row_keyset_sealed],
        ciphertext: ['BYTES', ciphertext],
        aad: ['STRING', aad],
      };
      const row = `AEAD.DECRYPT_BYTES(${CHAIN}, @row, CAST(@aad AS BYTES))`;
      expect(await h.sql(`SELECT AEAD.DECRYPT_STRING(${row}, @ciphertext, @aad)`, params)).toEqual([
        [plaintext],
      ]);
      const apart = `SELECT AEAD.DECRYPT_STRING(k, @ciphertext, @aad) FROM (SELECT ${row} AS k)`;
      expect(await h.sql(apart, params)).toEqual([[plaintext]]);
    }
  });
});

describe('what BigQuery seals', () => {
  test('opens again, as STRING and as BYTES, and only with its AAD', async () => {
    const seal = `AEAD.ENCRYPT(${CHAIN}, @v, '42')`;
    const params = withKeyset({ v: ['STRING', 'łukasz@example.com'] });
    expect(await h.sql(`SELECT AEAD.DECRYPT_STRING(${CHAIN}, ${seal}, '42')`, params)).toEqual([
      ['łukasz@example.com'],
    ]);
    expect(await h.sql(`SELECT LENGTH(${seal})`, params)).toEqual([[String(33 + 19)]]);
    expect(await h.failure(`SELECT AEAD.DECRYPT_STRING(${CHAIN}, ${seal}, '43')`, params)).toBe(
      'AEAD.DECRYPT_STRING failed: decryption failed (authentication)',
    );
    const bytes = `AEAD.DECRYPT_BYTES(${CHAIN}, AEAD.ENCRYPT(${CHAIN}, b'\\xff', b'a'), b'a')`;
    expect(await h.sql(`SELECT ${bytes}`, params)).toEqual([['/w==']]);
  });

  test('every row has a nonce of its own', async () => {
    const rows = await h.sql(
      `SELECT COUNT(DISTINCT c) FROM (SELECT AEAD.ENCRYPT(${CHAIN}, 'x', 'y') AS c FROM UNNEST(GENERATE_ARRAY(1, 5000)) AS i)`,
      withKeyset(),
    );
    expect(rows).toEqual([['5000']]);
  });

  test('NULL in, NULL out', async () => {
    const none = 'CAST(NULL AS BYTES)';
    expect(
      await h.sql(
        `SELECT AEAD.DECRYPT_STRING(${CHAIN}, ${none}, '1'),
           AEAD.DECRYPT_STRING(${CHAIN}, b'x', CAST(NULL AS STRING)),
           AEAD.DECRYPT_STRING(AEAD.DECRYPT_BYTES(${CHAIN}, ${none}, b'1'), b'x', '1'),
           AEAD.ENCRYPT(${CHAIN}, CAST(NULL AS STRING), '1')`,
        withKeyset(),
      ),
    ).toEqual([[null, null, null, null]]);
  });

  test('a failure names its reason and no value', async () => {
    const message = await h.failure(`SELECT AEAD.DECRYPT_STRING(${CHAIN}, b'canary', '1')`, withKeyset());
    expect(message).toBe('AEAD.DECRYPT_STRING failed: decryption failed (truncated)');
  });

  test('thousands of rows, each under a key of its own, with NULLs among them', async () => {
    const rowKey = (id: string) =>
      `AEAD.ENCRYPT(${CHAIN}, FROM_BASE64('${serializedKeyset()}'), CAST(${id} AS BYTES))`;
    await h.sql('CREATE TABLE poc.sealed (id INT64 NOT NULL, k BYTES, v BYTES)');
    await h.sql(
      `INSERT INTO poc.sealed
       SELECT i, ${rowKey('CAST(i AS STRING)')},
         IF(MOD(i, 10) = 0, NULL, AEAD.ENCRYPT(FROM_BASE64('${serializedKeyset()}'), CONCAT('user', CAST(i AS STRING)), CAST(i AS STRING)))
       FROM UNNEST(GENERATE_ARRAY(1, 5000)) AS i`,
      withKeyset(),
    );
    const opened = `AEAD.DECRYPT_STRING(AEAD.DECRYPT_BYTES(${CHAIN}, k, CAST(CAST(id AS STRING) AS BYTES)), v, CAST(id AS STRING))`;
    const rows = await h.sql(
      `SELECT COUNT(*), COUNTIF(o = CONCAT('user', CAST(id AS STRING))), COUNTIF(o IS NULL)
       FROM (SELECT id, ${opened} AS o FROM poc.sealed)`,
      withKeyset(),
    );
    expect(rows).toEqual([['5000', '4500', '500']]);
  });
});

const serializedKeyset = (): string => vectors.find(({ kind }) => kind === 'sealed')?.keyset ?? '';

describe('keysets', () => {
  test('rotation adds a primary key and keeps the old ones', async () => {
    const rotated = `KEYS.ROTATE_WRAPPED_KEYSET(${KMS}, @keyset, 'AEAD_AES_GCM_256')`;
    const [[next] = []] = await h.sql(`SELECT ${rotated}`, withKeyset());
    const [[sealed] = []] = await h.sql(`SELECT AEAD.ENCRYPT(${CHAIN}, 'old', '')`, withKeyset());
    const params: Params = { keyset: ['BYTES', next ?? ''], sealed: ['BYTES', sealed ?? ''] };
    expect(await h.sql(`SELECT AEAD.DECRYPT_STRING(${CHAIN}, @sealed, '')`, params)).toEqual([['old']]);
    const fresh = `SELECT TO_HEX(SUBSTR(AEAD.ENCRYPT(${CHAIN}, '', ''), 1, 5))`;
    expect(await h.sql(fresh, params)).not.toEqual(await h.sql(fresh, withKeyset()));
    expect(await h.failure(`SELECT KEYS.KEYSET_LENGTH(${CHAIN})`, params)).toContain('No matching signature');
  });

  test('rewrapping keeps the keys and takes another KMS key', async () => {
    const other = `'gcp-kms://${SOURCE}'`;
    const [[moved] = []] = await h.sql(`SELECT KEYS.REWRAP_KEYSET(${KMS}, ${other}, @keyset)`, withKeyset());
    const [[sealed] = []] = await h.sql(`SELECT AEAD.ENCRYPT(${CHAIN}, 'old', '')`, withKeyset());
    const params: Params = { keyset: ['BYTES', moved ?? ''], sealed: ['BYTES', sealed ?? ''] };
    const under = (kms: string) =>
      `SELECT AEAD.DECRYPT_STRING(KEYS.KEYSET_CHAIN(${kms}, @keyset), @sealed, '')`;
    expect(await h.sql(under(other), params)).toEqual([['old']]);
    expect(await h.failure(under(KMS), params)).toContain('KEYS.KEYSET_CHAIN failed');
  });

  test('as JSON they are what Tink reads', async () => {
    const [[json] = []] = await h.sql('SELECT KEYS.KEYSET_TO_JSON(@k)', { k: ['BYTES', serializedKeyset()] });
    const { primaryKeyId, key } = JSON.parse(json ?? '{}');
    expect(key[0]).toMatchObject({ keyId: primaryKeyId, outputPrefixType: 'TINK', status: 'ENABLED' });
  });

  test('a stored procedure takes the newest into a variable', async () => {
    await h.sql('CREATE TABLE poc.keysets (version INT64, wrapped BYTES)');
    await h.sql('INSERT INTO poc.keysets VALUES (1, @keyset)', withKeyset());
    await h.sql(`CREATE PROCEDURE poc.read() BEGIN
      DECLARE keyset BYTES DEFAULT (SELECT wrapped FROM poc.keysets ORDER BY version DESC LIMIT 1);
      SELECT AEAD.DECRYPT_STRING(KEYS.KEYSET_CHAIN(${KMS}, keyset), AEAD.ENCRYPT(KEYS.KEYSET_CHAIN(${KMS}, keyset), 'me', ''), '') AS v;
    END`);
    expect(await h.sql('CALL poc.read()')).toEqual([['me']]);
  });
});

describe('KEYSET_CHAIN refuses', () => {
  const constant = 'Argument 2 to KEYS.KEYSET_CHAIN must be a literal or query parameter';
  const decrypt = (chain: string) => `SELECT AEAD.DECRYPT_STRING(${chain}, b'', '')`;
  test.each([
    ['a column', `${decrypt(`KEYS.KEYSET_CHAIN(${KMS}, k)`)} FROM (SELECT b'x' AS k)`, constant],
    ['a subquery', decrypt(`KEYS.KEYSET_CHAIN(${KMS}, (SELECT b'x'))`), constant],
    ['a function', decrypt(`KEYS.KEYSET_CHAIN(${KMS}, CONCAT(b'x', b'y'))`), constant],
    ['NULL', decrypt(`KEYS.KEYSET_CHAIN(${KMS}, @none)`), 'Argument 2 to KEYS.KEYSET_CHAIN must not be NULL'],
    [
      'a global key',
      decrypt(`KEYS.KEYSET_CHAIN('gcp-kms://${KEY.replace(LOCATION, 'global')}', @keyset)`),
      'location global',
    ],
    ['another resource', decrypt(`KEYS.KEYSET_CHAIN('${KEY}', @keyset)`), 'Invalid Cloud KMS key URI'],
    ['no such key', decrypt(`KEYS.KEYSET_CHAIN('gcp-kms://${RING}/cryptoKeys/none', @keyset)`), 'not found'],
    [
      'what KMS never wrapped',
      decrypt(`KEYS.KEYSET_CHAIN(${KMS}, b'nonsense')`),
      'the ciphertext is invalid',
    ],
    ['to be a result', `SELECT KEYS.KEYSET_CHAIN(${KMS}, @keyset)`, 'can only be the keyset'],
  ])('%s', async (_what, query, message) => {
    expect(await h.failure(query, withKeyset({ none: ['BYTES', null] }))).toContain(message);
  });

  test('a key that is disabled', async () => {
    await h.rest('PATCH', `/v1/${KEY}/cryptoKeyVersions/1`, { state: 'DISABLED' });
    const message = await h.failure(`SELECT AEAD.ENCRYPT(${CHAIN}, 'a', '')`, withKeyset());
    await h.rest('PATCH', `/v1/${KEY}/cryptoKeyVersions/1`, { state: 'ENABLED' });
    expect(message).toContain('is not enabled');
  });
});

test('BigQuery calls Cloud KMS once a statement, whatever its rows', async () => {
  await h.rest('POST', '/sandbox/v1/kms:reset', {});
  await h.sql(
    `SELECT COUNT(AEAD.ENCRYPT(${CHAIN}, 'x', AEAD.DECRYPT_STRING(${CHAIN}, AEAD.ENCRYPT(${CHAIN}, 'y', ''), ''))) FROM UNNEST(GENERATE_ARRAY(1, 3000))`,
    withKeyset(),
  );
  const { body } = await h.rest('GET', '/sandbox/v1/kms:calls');
  expect(body.keys[KEY]).toMatchObject({ bigquery: 1, decrypt: 0 });
});
