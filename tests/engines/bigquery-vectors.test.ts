import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { literal } from '../../jobs/contract/sql/statement.ts';
import { anchored } from '../../jobs/contract/value-pattern.ts';
import { aesKey, gcmOpen } from '../../jobs/envelope/aes.ts';
import { asDataKey } from '../../jobs/envelope/brands.ts';
import { type Vector, vectorsSchema } from '../../jobs/envelope/check-vector.ts';
import { formatOf } from '../../jobs/envelope/formats.ts';
import { run } from '../../jobs/run/run.ts';
import { Application } from '../support/application.ts';
import { silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

type Source = Extract<Vector, { cipher_text: string }>;

/** Every vector of a source value, as BigQuery takes it: each opens, or is rejected, as its file says. */
const vectors = ['envelope', 'values']
  .flatMap((name) => {
    const file = new URL(`../fixtures/${name}.json`, import.meta.url);
    return vectorsSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).vectors;
  })
  .filter((vector): vector is Source => 'cipher_text' in vector);

/** Vectors by the settings of the stack that they are for. */
const groups = new Map<string, Source[]>();
for (const vector of vectors.filter(({ value_pattern }) => value_pattern === undefined)) {
  const settings = JSON.stringify([vector.format, vector.unauthenticated]);
  groups.set(settings, [...(groups.get(settings) ?? []), vector]);
}

let box: TestSandbox;
const application = new Application();
beforeAll(async () => {
  box = await testSandbox({ storePlaintext: 'true', maxRejectedShare: '1' });
});
afterAll(() => box?.close());

const dekOf = ({ key, keyset }: Source): string =>
  keyset === undefined && key === undefined
    ? ''
    : application
        .wrap(keyset === undefined ? Buffer.from(key ?? '', 'hex') : Buffer.from(keyset, 'base64'))
        .toString('base64');

/** The cipher text; the key inside an envelope is wrapped by the KEK of all, and has the same length as before. */
function cipherTextOf({ kek, cipher_text: text }: Source): string {
  if (kek === undefined) return text;
  const envelope = Buffer.from(text, 'base64');
  const wrapped = envelope.subarray(4, 4 + envelope.readUInt32BE(0));
  const key = gcmOpen(aesKey(Buffer.from(kek, 'hex')), wrapped.subarray(0, 12), wrapped.subarray(12));
  application.wrap(key).copy(envelope, 4);
  return envelope.toString('base64');
}

const expectedOf = (vector: Source): string =>
  'reason' in vector ? vector.reason : `opened ${JSON.stringify(vector.plaintext)}`;

it('values open or are rejected for the reason they name', async () => {
  for (const group of groups.values()) {
    const { format: sourceFormat, unauthenticated } = group[0] as Source;
    const rows = group.map((vector, id) => ({
      id: String(id),
      cipher_text: cipherTextOf(vector),
      dek: dekOf(vector),
    }));
    await box.sql('DELETE FROM users WHERE TRUE');
    await box.load(application, rows);
    const context = await box.under({ sourceFormat, unauthenticated });
    const runId = newRunId();
    await run(context, { runId, mode: 'all', limit: null, engine: 'bigquery' }, silent);
    const found = new Map<string, string>();
    for (const { id, decrypted_email: text } of await box.sql(
      'SELECT id, decrypted_email FROM users WHERE decrypted_email IS NOT NULL',
    ))
      found.set(String(id), `opened ${JSON.stringify(text)}`);
    for (const { id, reason } of await box.sql(
      `SELECT id, reason FROM users_rejected WHERE run_id = '${runId}'`,
    ))
      found.set(String(id), String(reason));
    expect(group.map((_, id) => found.get(String(id)))).toEqual(group.map(expectedOf));
  }
}, 120_000);

it('patterns match the whole of a value, as in the other engines', async () => {
  const patterned = vectors.filter(({ value_pattern }) => value_pattern !== undefined);
  expect(patterned.length).toBeGreaterThan(50);
  const columns = patterned.map((vector, at) => {
    const key = asDataKey(Buffer.from(vector.key ?? '', 'hex'));
    const { plaintext } = formatOf(vector.format).prepare(key, 'accept')(vector.cipher_text);
    const text = `CAST(FROM_BASE64('${plaintext.toString('base64')}') AS STRING)`;
    return `REGEXP_CONTAINS(${text}, ${literal(anchored(vector.value_pattern ?? ''))}) AS v${at}`;
  });
  const [found] = await box.sql(`SELECT ${columns.join(', ')}`);
  expect(Object.values(found ?? {})).toEqual(patterned.map((vector) => String(!('reason' in vector))));
});
