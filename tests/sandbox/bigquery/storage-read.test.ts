import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { v1 } from '@google-cloud/bigquery-storage';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { Vector } from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { auth, type Harness, harness, PROJECT } from '../../support/harness.ts';
import { type Reader, storageReader, tableOf } from '../../support/storage-read.ts';

let h: Harness;
let reader: Reader;
beforeAll(async () => {
  h = await harness();
  reader = await storageReader(h.origin, PROJECT, h.token);
  await h.sql('CREATE TABLE poc.people (id INT64 NOT NULL, name STRING, born DATE)');
  await h.sql(`INSERT INTO poc.people VALUES (1, 'ada', DATE '1815-12-10'), (2, 'grace', DATE '1906-12-09'),
    (3, NULL, NULL), (4, 'edsger "ew"', DATE '1930-05-11')`);
  await h.sql('CREATE TABLE poc.many (id INT64, name STRING)');
  await h.sql(
    "INSERT INTO poc.many SELECT x, CONCAT('user ', CAST(x AS STRING)) FROM UNNEST(GENERATE_ARRAY(1, 120000)) AS x",
  );
});
afterAll(async () => {
  await reader.close();
  await h.close();
});

const ids = (rows: Record<string, unknown>[]): number[] =>
  rows.map(({ id }) => Number(id)).sort((a, b) => a - b);

describe('values', () => {
  test('of every type, and NULL', async () => {
    await h.sql(`CREATE TABLE poc.kinds (i INT64 NOT NULL, s STRING, b BYTES, t TIMESTAMP, d DATE, dt DATETIME,
      yes BOOL, f FLOAT64, n NUMERIC, j JSON, list ARRAY<STRING>, numbers ARRAY<INT64>)`);
    await h.sql(`INSERT INTO poc.kinds VALUES
      (9223372036854775807, 'ü"\\n', b'\\x00\\xff', TIMESTAMP '2024-02-29 12:34:56.789012+00', DATE '1969-12-31',
       CAST('2024-02-29T12:34:56.789012' AS DATETIME), TRUE, -0.5, CAST('-12345678901234567890.123456789' AS NUMERIC),
       JSON '{"a": [1]}', ['x', ''], [1, 2]),
      (-9223372036854775808, '', b'', NULL, NULL, NULL, FALSE, NULL, CAST('0.000000001' AS NUMERIC), NULL, [], []),
      (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, [], [3])`);
    const session = await reader.open({ table: 'poc.kinds' });
    const [message] = await all(reader.messages(session.streams[0].name));
    expect(Number(message.rowCount)).toBe(3);
    const table = tableOf(session, message);
    expect(table.schema.fields.map(({ name, type, nullable }) => `${name} ${type} ${nullable}`)).toEqual([
      'i Int64 false',
      's Utf8 true',
      'b Binary true',
      't Timestamp<MICROSECOND, UTC> true',
      'd Date32<DAY> true',
      'dt Timestamp<MICROSECOND> true',
      'yes Bool true',
      'f Float64 true',
      'n Decimal[38e+9] true',
      'j Utf8 true',
      'list List<Utf8> false',
      'numbers List<Int64> false',
    ]);
    const column = (name: string) => [...(table.getChild(name) ?? [])];
    expect(column('i')).toEqual([2n ** 63n - 1n, -(2n ** 63n), 0n]);
    expect(column('s')).toEqual(['ü"\n', '', null]);
    expect(column('b')).toEqual([Uint8Array.of(0, 255), new Uint8Array(), null]);
    // The library gives moments in milliseconds; the microseconds are in the buffer.
    const moment = BigInt(Date.UTC(2024, 1, 29, 12, 34, 56, 789)) * 1000n + 12n;
    for (const name of ['t', 'dt']) {
      expect(column(name).slice(1)).toEqual([null, null]);
      expect(table.getChild(name)?.data[0]?.values[0]).toBe(moment);
    }
    expect(table.getChild('d')?.data[0]?.values[0]).toBe(-1);
    expect(column('yes')).toEqual([true, false, null]);
    expect(column('f')).toEqual([-0.5, null, null]);
    expect([numeric(table.getChild('n'), 0), numeric(table.getChild('n'), 1)]).toEqual([
      -12345678901234567890123456789n,
      1n,
    ]);
    expect(JSON.parse(String(column('j')[0]))).toEqual({ a: [1] });
    expect(column('list').map((list) => [...list])).toEqual([['x', ''], [], []]);
    expect(column('numbers').map((list) => [...list])).toEqual([[1n, 2n], [], [3n]]);
  });

  // "-9.9999999999999999999999999999999999999E+28 to 9.9999999999999999999999999999999999999E+28":
  // https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types
  test('of NUMERIC over its whole range', async () => {
    const units = [10n ** 29n - 1n, 10n ** 38n - 1n, -(10n ** 38n) + 1n, 0n];
    const values = units.map((unit) => `CAST('${unit / 10n ** 9n}.${String(unit).slice(-9)}' AS NUMERIC)`);
    await h.sql('CREATE TABLE poc.numbers (n NUMERIC, list ARRAY<NUMERIC>)');
    for (const value of values) await h.sql(`INSERT INTO poc.numbers VALUES (${value}, [${value}])`);
    const session = await reader.open({ table: 'poc.numbers' });
    const [message] = await all(reader.messages(session.streams[0].name));
    const table = tableOf(session, message);
    for (const column of [table.getChild('n'), table.getChild('list')?.getChildAt(0)])
      expect(units.map((_, at) => numeric(column, at))).toEqual(units);
  });

  test('of the fields that were asked for, in the order of the table', async () => {
    const session = await reader.open({ table: 'poc.people', fields: ['born', 'id'] });
    const [message] = await all(reader.messages(session.streams[0].name));
    expect(tableOf(session, message).schema.names).toEqual(['id', 'born']);
    // What stands behind the last of them in the table is not among them.
    const [first] = await reader.rows({ table: 'poc.people', fields: ['id'] });
    expect(Object.keys(first ?? {})).toEqual(['id']);
    await expect(reader.open({ table: 'poc.people', fields: ['id', 'nick'] })).rejects.toThrow('nick');
  });
});

describe('a row restriction', () => {
  test.each([
    ['(`id` <= 2)', [1, 2]],
    ["(`id` <= 3) AND (`name` = 'grace')", [2]],
    ['`name` IS NOT NULL', [1, 2, 4]],
    [`name = 'edsger "ew"'`, [4]],
    ["(`name` IN ('ada', 'grace')) AND NOT (id = 1)", [2]],
    ["born < DATE '1900-01-01'", [1]],
    ["STARTS_WITH(name, 'a') OR id = 3", [1, 3]],
    ['', [1, 2, 3, 4]],
    ['FALSE', []],
  ])('%s', async (where, expected) => {
    expect(ids(await reader.rows({ table: 'poc.people', where }))).toEqual(expected);
  });

  test.each([
    ['id IN (SELECT 1)', 3, /subquer/i],
    ['id = (SELECT id FROM `poc.people`)', 3, /subquer/i],
    ['nick = 1', 3, /Unrecognized name/],
    ['id = ', 3, /Syntax error/],
    ['TRUE) OR (TRUE', 3, /Syntax error/],
  ])('%s is turned down', async (where, code, message) => {
    const failure = reader.open({ table: 'poc.people', where });
    await expect(failure).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe('a session', () => {
  test('reads the table as it was when it was opened, or at its snapshot', async () => {
    await h.sql('CREATE TABLE poc.changing AS SELECT 1 AS id');
    await new Promise((resolve) => setTimeout(resolve, 5));
    const before = Date.now();
    const opened = await reader.open({ table: 'poc.changing' });
    await new Promise((resolve) => setTimeout(resolve, 5));
    await h.sql('UPDATE poc.changing SET id = 2 WHERE TRUE');
    const [message] = await all(reader.messages(opened.streams[0].name));
    expect(ids([...tableOf(opened, message)])).toEqual([1]);
    expect(ids(await reader.rows({ table: 'poc.changing', snapshotMillis: before }))).toEqual([1]);
    expect(ids(await reader.rows({ table: 'poc.changing' }))).toEqual([2]);
    const future = reader.open({ table: 'poc.changing', snapshotMillis: Date.now() + 60_000 });
    await expect(future).rejects.toMatchObject({ code: 3, message: expect.stringContaining('future') });
  });

  test('has one stream unless more are asked for, and each row in one of them', async () => {
    const streams = async (count: number) =>
      (await reader.open({ table: 'poc.many', streams: count })).streams.length;
    expect([await streams(0), await streams(1), await streams(2), await streams(100)]).toEqual([1, 1, 2, 3]);
    expect((await reader.open({ table: 'poc.people', streams: 100 })).streams).toHaveLength(1);
    const all = Array.from({ length: 120_000 }, (_, at) => at + 1);
    expect(ids(await reader.rows({ table: 'poc.many', streams: 3 }))).toEqual(all);
    expect(ids(await reader.rows({ table: 'poc.many', streams: 3, where: 'MOD(id, 2) = 0' }))).toEqual(
      all.filter((id) => id % 2 === 0),
    );
  });

  test('counts its rows, and those of each message', async () => {
    const session = await reader.open({ table: 'poc.many', where: 'id > 20000' });
    expect(Number(session.estimatedRowCount)).toBe(100_000);
    const messages = await all(reader.messages(session.streams[0].name));
    expect(messages.length).toBeGreaterThan(3);
    const counts = messages.map((message) => Number(message.rowCount));
    expect(counts).toEqual(messages.map((message) => tableOf(session, message).numRows));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(100_000);
  });

  test('goes on behind an offset', async () => {
    const session = await reader.open({ table: 'poc.many', where: 'MOD(id, 3) = 0' });
    const from = async (offset: number) =>
      (await all(reader.messages(session.streams[0].name, offset))).flatMap((message) =>
        [...tableOf(session, message)].map(({ id }) => Number(id)),
      );
    const whole = await from(0);
    expect(whole).toHaveLength(40_000);
    expect(await from(39_998)).toEqual(whole.slice(39_998));
    expect(await from(17_000)).toEqual(whole.slice(17_000));
    expect(await from(40_000)).toEqual([]);
  });

  test.each([
    ['a table', 'poc.none', /Not found: Table/],
    ['a dataset', 'none.none', /Not found: Dataset/],
  ])('needs %s that is there', async (_what, table, message) => {
    await expect(reader.open({ table })).rejects.toMatchObject({
      code: 5,
      message: expect.stringMatching(message),
    });
  });

  test('is known by its name alone', async () => {
    const made_up = `projects/${PROJECT}/locations/us/sessions/none/streams/0`;
    await expect(all(reader.messages(made_up))).rejects.toMatchObject({ code: 5 });
  });
});

describe('a stream under a fault', () => {
  const rule = (more: object) => ({
    service: 'bigquerystorage',
    method: 'ReadRows',
    member: 'user:owner@sandbox.invalid',
    ...more,
  });

  test.each([
    ['half an answer', { kind: 'half' }],
    ['a connection that ends behind the rows', { kind: 'drop', when: 'after' }],
    ['an error behind the rows', { kind: 'unavailable', when: 'after' }],
  ])('%s: the client hears of it, and the next call is answered', async (_what, fault) => {
    const { streams } = await reader.open({ table: 'poc.many' });
    await h.rest('POST', '/sandbox/v1/faults', { rules: [rule(fault)] });
    await expect(all(reader.messages(streams[0].name))).rejects.toMatchObject({ code: 14 });
    const { body } = await h.rest('GET', '/sandbox/v1/faults');
    expect(body.rules).toMatchObject([{ hits: 1 }]);
    const messages = await all(reader.messages(streams[0].name));
    expect(messages.reduce((sum, { rowCount }) => sum + Number(rowCount), 0)).toBe(120_000);
    await h.rest('POST', '/sandbox/v1/faults', { rules: [] });
  });
});

describe('TLS', () => {
  const address = async () => {
    const { body } = await h.rest('GET', '/sandbox/v1/bigquery:storage-read');
    return body as { address: string; certificate: string };
  };

  test('is for localhost and 127.0.0.1, its key readable by its owner alone', async () => {
    const { certificate } = await address();
    const parsed = new X509Certificate(readFileSync(certificate));
    expect(parsed.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1');
    expect(parsed.checkHost('localhost')).toBe('localhost');
    expect(statSync(join(h.state, 'tls/localhost.key')).mode & 0o777).toBe(0o600);
  });

  test('is nothing that a client trusts unasked', async () => {
    const [host = '', port] = (await address()).address.split(':');
    const stranger = new v1.BigQueryReadClient({
      projectId: PROJECT,
      apiEndpoint: host,
      port: Number(port),
      authClient: auth('any'),
      sslCreds: credentials.createSsl(),
    });
    const table = `projects/${PROJECT}/datasets/poc/tables/people`;
    const request = { parent: `projects/${PROJECT}`, readSession: { table, dataFormat: 'ARROW' } as const };
    await expect(stranger.createReadSession(request, { timeout: 2000 })).rejects.toThrow(
      /self-signed certificate/,
    );
    await stranger.close();
  });

  test('keeps its certificate over a restart', async () => {
    const before = readFileSync((await address()).certificate, 'utf8');
    await reader.close();
    await h.restart();
    reader = await storageReader(h.origin, PROJECT, h.token);
    expect(readFileSync((await address()).certificate, 'utf8')).toBe(before);
    expect(ids(await reader.rows({ table: 'poc.people' }))).toEqual([1, 2, 3, 4]);
  });

  test('a request that its message does not describe is rejected', async () => {
    const { address: at, certificate } = await address();
    const client = new Client(at, credentials.createSsl(readFileSync(certificate)));
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${h.token}`);
    const path = '/google.cloud.bigquery.storage.v1.BigQueryRead/CreateReadSession';
    const send = (bytes: Buffer): Promise<string> =>
      new Promise((resolve) => {
        client.makeUnaryRequest(
          path,
          (given: Buffer) => given,
          String,
          bytes,
          metadata,
          (error) => resolve(error?.details ?? 'accepted'),
        );
      });
    const parent = [0x0a, 1, 0x70];
    const wrong = 'Error deserializing request';
    expect(await send(Buffer.from(parent))).not.toBe(wrong);
    // Field 90 is none of CreateReadSessionRequest; a number is no parent.
    expect(await send(Buffer.from([...parent, 0xd2, 0x05, 1, 0x70]))).toBe(wrong);
    expect(await send(Buffer.from([0x08, 1]))).toBe(wrong);
    client.close();
  });
});

/** A NUMERIC of a column, in units of 10^-9. */
function numeric(column: Vector | null | undefined, at: number): bigint {
  const words = column?.data[0]?.values.slice(4 * at, 4 * at + 4) as Uint32Array;
  return BigInt.asIntN(
    128,
    words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n),
  );
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
