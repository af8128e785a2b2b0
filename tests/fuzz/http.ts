import { gzipSync } from 'node:zlib';
import { ownArguments, seedArguments } from '../../jobs/contract/batch.ts';
import { HTTP_CODES } from '../../sandbox/errors/google-error.ts';
import type { TestSandbox } from '../support/sandbox.ts';
import type { Finding } from './findings.ts';
import { mutatedBytes, mutatedJson, mutatedText, Random } from './mutations.ts';

interface Request {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly type?: string;
}

const ANSWERS: ReadonlySet<number> = new Set([
  ...Object.values(HTTP_CODES).filter((code) => code !== 500),
  308,
  412,
  416,
]);
/** An answer that takes longer is none. */
const PATIENCE_MS = 30_000;

/** Calls as the clients make them, one or more of every service. */
function requests({ deployment: d }: TestSandbox): Request[] {
  const bigquery = `/bigquery/v2/projects/${d.project}`;
  const table = `${bigquery}/datasets/${d.dataset}/tables`;
  const jobReference = { projectId: d.project, location: d.location, jobId: 'fuzz_job' };
  const query = {
    query: 'SELECT id, @a AS a FROM `users` WHERE id > @b ORDER BY id LIMIT 3',
    useLegacySql: false,
    parameterMode: 'NAMED',
    defaultDataset: { projectId: d.project, datasetId: d.dataset },
    queryParameters: [
      { name: 'a', parameterType: { type: 'BYTES' }, parameterValue: { value: 'QQ==' } },
      { name: 'b', parameterType: { type: 'INT64' }, parameterValue: { value: '1' } },
    ],
  };
  const load = {
    sourceUris: [`gs://${d.bucket}/fuzz.ndjson`],
    sourceFormat: 'NEWLINE_DELIMITED_JSON',
    destinationTable: { projectId: d.project, datasetId: d.dataset, tableId: 'fuzz_table' },
    schema: { fields: [{ name: 'id', type: 'INTEGER', mode: 'REQUIRED' }] },
    writeDisposition: 'WRITE_APPEND',
  };
  const multipart = [
    '--frontier',
    'Content-Type: application/json',
    '',
    '{"name": "fuzz.ndjson"}',
    '--frontier',
    'Content-Type: text/plain',
    '',
    '{"id": 1}',
    '--frontier--',
    '',
  ].join('\r\n');
  const upload = { type: 'multipart/related; boundary=frontier', body: multipart };
  const run = {
    runId: 'fuzz-run',
    attempt: 'fuzz-attempt',
    mode: 'pending',
    snapshotMillis: '1',
    idFrom: '1',
    idCutoff: '1',
    wave: '0',
    waves: '1',
    keysetVersion: '1',
    kmsKey: d.bigqueryKek,
    limit: '0',
  };
  const batch = {
    pysparkBatch: {
      mainPythonFileUri: `gs://${d.bucket}/main.py`,
      args: [...seedArguments(d, '0'), ...ownArguments(d, run)],
    },
    runtimeConfig: { version: '2.3' },
    environmentConfig: {
      executionConfig: {
        serviceAccount: d.batch.serviceAccount,
        subnetworkUri: d.batch.subnetwork,
        ttl: '600s',
      },
    },
    labels: { a: 'b' },
  };
  const dataproc = `/v1/projects/${d.project}/locations/${d.location}`;
  return [
    { method: 'POST', path: `${bigquery}/queries`, body: query },
    {
      method: 'POST',
      path: `${bigquery}/jobs`,
      body: { jobReference, configuration: { query, labels: { a: 'b' } } },
    },
    { method: 'POST', path: `${bigquery}/jobs`, body: { configuration: { load } } },
    { method: 'POST', path: `/upload${bigquery}/jobs?uploadType=multipart`, ...upload },
    {
      method: 'POST',
      path: `/upload${bigquery}/jobs?uploadType=resumable`,
      body: { configuration: { load } },
    },
    { method: 'GET', path: `${bigquery}/jobs/fuzz_job?location=${d.location}` },
    { method: 'GET', path: `${bigquery}/queries/fuzz_job?maxResults=2&pageToken=1&timeoutMs=10` },
    {
      method: 'POST',
      path: table,
      body: {
        tableReference: { projectId: d.project, datasetId: d.dataset, tableId: 'fuzz_table' },
        schema: { fields: [{ name: 'id', type: 'INT64', mode: 'REQUIRED' }] },
      },
    },
    { method: 'GET', path: `${table}/users/data?maxResults=2&startIndex=0` },
    { method: 'PATCH', path: `${table}/fuzz_table`, body: { description: 'x', labels: { a: 'b' } } },
    {
      method: 'POST',
      path: `${bigquery}/datasets`,
      body: { datasetReference: { datasetId: 'fuzz' }, location: d.location },
    },
    {
      method: 'POST',
      path: `/v1/${d.sourceKek}:decrypt`,
      body: { ciphertext: 'QUJD', ciphertextCrc32c: '1', additionalAuthenticatedData: '' },
    },
    { method: 'POST', path: `/v1/${d.sourceKek}:encrypt`, body: { plaintext: 'QUJD', plaintextCrc32c: '1' } },
    { method: 'GET', path: `/v1/${d.sourceKek}` },
    {
      method: 'POST',
      path: `/upload/storage/v1/b/${d.bucket}/o?uploadType=multipart&ifGenerationMatch=0`,
      ...upload,
    },
    {
      method: 'POST',
      path: `/upload/storage/v1/b/${d.bucket}/o?uploadType=resumable&name=fuzz`,
      body: { metadata: { a: 'b' } },
    },
    { method: 'GET', path: `/storage/v1/b/${d.bucket}/o?prefix=fuzz&delimiter=/&maxResults=1` },
    { method: 'GET', path: `/storage/v1/b/${d.bucket}/o/fuzz.ndjson?alt=media` },
    {
      method: 'POST',
      path: `/storage/v1/b/${d.bucket}/o/fuzz.ndjson/rewriteTo/b/${d.bucket}/o/fuzz2`,
      body: {},
    },
    { method: 'POST', path: `${dataproc}/batches?batchId=fuzz-batch&requestId=a`, body: batch },
    { method: 'GET', path: `${dataproc}/batches/fuzz-batch` },
    { method: 'GET', path: `${dataproc}/batches?pageSize=1` },
    {
      method: 'POST',
      path: '/sandbox/v1/kms:import',
      body: { name: d.sourceKek, materialBase64: Buffer.alloc(32).toString('base64') },
    },
    { method: 'POST', path: '/sandbox/v1/iam:token', body: { member: 'user:a@example.com', groups: [] } },
  ];
}

/** Requests with changes: each gets an answer of Google's form, and none makes the sandbox fail. */
export async function fuzzHttp(box: TestSandbox, seed: number, count: number): Promise<Finding[]> {
  const random = new Random(seed, 'http');
  const { endpoints, owner } = box.sandbox;
  const findings: Finding[] = [];
  const all = requests(box);
  for (let made = 0; made < count; made++) {
    const { method, path, body, type = 'application/json' } = random.pick(all);
    const at = random.chance(0.2) ? changedPath(random, path) : path;
    const headers: Record<string, string> = {
      'content-type': type,
      authorization: `Bearer ${owner.accessToken}`,
    };
    let sent: Buffer | undefined;
    if (body !== undefined) sent = changedBody(random, body);
    if (sent !== undefined && random.chance(0.1)) {
      headers['content-encoding'] = 'gzip';
      if (random.chance(0.5)) sent = gzipSync(sent);
    }
    if (random.chance(0.05))
      headers.range = random.pick(['bytes=0-', 'bytes=-1', 'bytes=9-1', 'bytes=x', 'lines=1']);
    if (random.chance(0.05))
      headers['content-type'] = mutatedText(random, type, [type]).replace(/[^\x20-\x7e]/g, '');
    const input = {
      method,
      path: at,
      headers: { ...headers, authorization: '…' },
      body: sent?.toString('base64'),
    };
    try {
      const answer = await fetch(`${endpoints.control}${at}`, {
        method,
        headers,
        ...(sent === undefined ? {} : { body: sent }),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      const said = await answer.text();
      if (!answer.ok && !ANSWERS.has(answer.status))
        findings.push({ what: `http: ${answer.status} ${said.slice(0, 300)}`, input });
    } catch (error) {
      findings.push({ what: `http: no answer: ${error}`, input });
    }
  }
  return findings;
}

function changedBody(random: Random, body: unknown): Buffer {
  const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  if (random.chance(0.7) && typeof body !== 'string') return Buffer.from(text(mutatedJson(random, body)));
  return random.chance(0.5)
    ? Buffer.from(mutatedText(random, text(body), [text(body)]))
    : mutatedBytes(random, Buffer.from(text(body)));
}

/** What a client can put on the wire: fetch itself refuses the rest. */
const changedPath = (random: Random, path: string): string =>
  `/${mutatedText(random, path, [path, '/x'])
    .replace(/[^\x21-\x7e]|#/g, '')
    .replace(/^\/+/, '')}`;
