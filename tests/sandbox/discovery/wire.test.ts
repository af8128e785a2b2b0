import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documents, methodOf } from '../../../sandbox/discovery/documents.ts';
import { wireOf } from '../../../sandbox/discovery/wire.ts';
import { type Harness, harness, KEY, PROJECT, RING } from '../../support/harness.ts';

let h: Harness;
beforeAll(async () => {
  h = await harness();
});
afterAll(() => h.close());

const BIGQUERY = `/bigquery/v2/projects/${PROJECT}`;
const SECRET = 'c2VjcmV0IHZhbHVl';
const query = (more: object) => ({ configuration: { query: { query: 'SELECT 1', ...more } } });
const bucket = `/storage/v1/b?project=${PROJECT}`;

describe('a request that Google describes otherwise is an invalid argument', () => {
  it.each<[what: string, method: string, path: string, body: object | undefined, message: string]>([
    [
      'an unknown property, however deep',
      'POST',
      `${BIGQUERY}/jobs`,
      query({ destinationTable: { dataset: 'poc' } }),
      `Unknown name "dataset" at 'configuration.query.destinationTable': Cannot find field.`,
    ],
    [
      'an unknown property of an item of a list',
      'POST',
      `${BIGQUERY}/queries`,
      { query: 'SELECT @a', queryParameters: [{ name: 'a' }, { title: 'b' }] },
      `Unknown name "title" at 'queryParameters[1]': Cannot find field.`,
    ],
    [
      'a property in the spelling of another language',
      'POST',
      `${BIGQUERY}/queries`,
      { query: 'SELECT 1', use_legacy_sql: false },
      'Unknown name "use_legacy_sql": Cannot find field.',
    ],
    [
      'a Buffer in place of a text',
      'POST',
      `${BIGQUERY}/queries`,
      { query: 'SELECT @a', queryParameters: [{ parameterValue: { value: Buffer.from('a') } }] },
      "Invalid value at 'queryParameters[0].parameterValue.value' (TYPE_STRING).",
    ],
    [
      'a text in place of a truth value',
      'POST',
      `${BIGQUERY}/queries`,
      { query: 'SELECT 1', useLegacySql: 'false' },
      "Invalid value at 'useLegacySql' (TYPE_BOOL).",
    ],
    [
      'an object in place of a list',
      'POST',
      `${BIGQUERY}/datasets/poc/tables`,
      { tableReference: { tableId: 't' }, schema: { fields: { name: 'id' } } },
      "Invalid value at 'schema.fields' (a list).",
    ],
    [
      'a value that its enum does not have',
      'POST',
      `/v1/${RING}/cryptoKeys?cryptoKeyId=k`,
      { purpose: 'ENCRYPT' },
      "Invalid value at 'purpose' (one of CRYPTO_KEY_PURPOSE_UNSPECIFIED, ENCRYPT_DECRYPT,",
    ],
    [
      'a duration that is none',
      'POST',
      `/v1/${RING}/cryptoKeys?cryptoKeyId=k`,
      { purpose: 'ENCRYPT_DECRYPT', rotationPeriod: '90d' },
      "Invalid value at 'rotationPeriod' (google-duration).",
    ],
    [
      'bytes that are no base64',
      'POST',
      `/v1/${KEY}:decrypt`,
      { ciphertext: 'a b' },
      "Invalid value at 'ciphertext' (byte).",
    ],
    [
      'a property of a body that the handler does not read',
      'POST',
      `/v1/projects/${PROJECT}/locations/us-central1/keyRings?keyRingId=other`,
      { labels: {} },
      'Unknown name "labels": Cannot find field.',
    ],
    [
      'a body where the method takes none',
      'POST',
      `${BIGQUERY}/jobs/a-job/cancel`,
      { location: 'US' },
      'Unknown name "location": Cannot find field.',
    ],
    [
      'an unknown parameter',
      'GET',
      `${BIGQUERY}/datasets/poc/tables?max_results=1`,
      undefined,
      'Unknown name "max_results": Cannot bind query parameter.',
    ],
    [
      'a parameter that every object has',
      'GET',
      `${BIGQUERY}/datasets?constructor=1`,
      undefined,
      'Unknown name "constructor": Cannot bind query parameter.',
    ],
    [
      'a parameter of a wrong type',
      'GET',
      `${BIGQUERY}/datasets/poc/tables?maxResults=many`,
      undefined,
      "Invalid value at 'maxResults' (uint32",
    ],
    [
      'a parameter given twice',
      'GET',
      `${BIGQUERY}/datasets/poc/tables?maxResults=1&maxResults=2`,
      undefined,
      "Invalid value at 'maxResults': it is given more than once.",
    ],
    ['a parameter that is missing', 'POST', '/storage/v1/b', { name: 'b' }, 'parameter is missing: project'],
    ['a number as a text', 'POST', bucket, { name: 7 }, "Invalid value at 'name' (TYPE_STRING)."],
  ])('%s', async (_what, method, path, body, message) => {
    const answer = await h.rest(method, path, body);
    expect([answer.status, answer.body.error?.status]).toEqual([400, 'INVALID_ARGUMENT']);
    expect(answer.body.error.message).toContain(message);
  });

  it('the metadata of uploads, too', async () => {
    await h.rest('POST', bucket, { name: 'uploads' });
    const path = '/upload/storage/v1/b/uploads/o?uploadType=';
    const multipart = await fetch(`${h.origin}${path}multipart`, {
      method: 'POST',
      headers: { authorization: `Bearer ${h.token}`, 'content-type': 'multipart/related; boundary=x' },
      body: '--x\r\n\r\n{"name": "o", "size": {}}\r\n--x\r\n\r\nmedia\r\n--x--',
    });
    expect(await multipart.text()).toContain("Invalid value at 'size' (uint64)");
    const resumable = await h.rest('POST', `${path}resumable`, { name: 'o', title: 'o' });
    expect(resumable.body.error.message).toContain('Unknown name "title"');
  });

  it('and none of its values are said', async () => {
    const bodies = [
      { ciphertext: { [SECRET]: SECRET } },
      { ciphertext: [SECRET] },
      { ciphertextCrc32c: SECRET },
    ];
    for (const body of bodies) {
      const { status, body: answer } = await h.rest('POST', `/v1/${KEY}:decrypt`, body);
      expect(status).toBe(400);
      expect(JSON.stringify(answer)).not.toContain(SECRET);
    }
  });
});

it('what Google describes is let through', async () => {
  const answers = await Promise.all([
    h.rest('GET', `${BIGQUERY}/datasets?maxResults=5&all=true&alt=json&prettyPrint=false`),
    h.rest('POST', `/v1/${RING}/cryptoKeys?cryptoKeyId=k1&$alt=json;enum-encoding=int`, { purpose: 1 }),
    h.rest('POST', `/v1/${RING}/cryptoKeys?cryptoKeyId=k2`, {
      purpose: 'ENCRYPT_DECRYPT',
      rotationPeriod: '7776000s',
      nextRotationTime: '2030-01-01T00:00:00Z',
      labels: { any: 'name' },
    }),
    h.rest('POST', `${BIGQUERY}/datasets/poc/tables`, {
      tableReference: { projectId: PROJECT, datasetId: 'poc', tableId: 'described' },
      schema: { fields: [{ name: 'id', type: 'INTEGER', policyTags: { names: ['a/tag'] } }] },
      timePartitioning: { type: 'DAY', expirationMs: '604800000' },
      description: null,
    }),
  ]);
  expect(answers.map(({ status, body }) => [status, body.error?.message])).toEqual(
    answers.map(() => [200, undefined]),
  );
});

it('a route that Google does not have cannot be served', () => {
  expect(() => wireOf({ method: 'POST', path: '/bigquery/v2/projects/{project}/statements' })).toThrow(
    "Google's discovery documents have no POST",
  );
  expect(() => wireOf({ method: 'PUT', path: '/v1/projects/{p}/locations/{l}/keyRings' })).toThrow();
  expect(wireOf({ method: 'GET', path: '/sandbox/v1/health' })).toBeDefined();
});

it('the documents come from the locked package, and do not describe what is let through for clients', () => {
  const lock = readFileSync('tools/python/discovery.txt', 'utf8');
  const [, version, hash] = /==(\S+) \\\s+--hash=(\S+)/.exec(lock) ?? [];
  for (const { source } of documents().values()) expect(source).toContain(`${version} (${hash})`);
  const results = methodOf('GET', '/bigquery/v2/projects/{project}/queries/{job}');
  expect(results?.method.query).not.toHaveProperty('skipParsing');
  const load = documents().get('bigquery.v2')?.schemas.JobConfigurationLoad;
  expect(load?.properties).not.toHaveProperty('location');
});
