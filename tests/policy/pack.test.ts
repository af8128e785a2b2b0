import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

/**
 * The pack as the engine runs it: Pulumi's own policy host loads the folder, prints its port and is asked over
 * gRPC. What is faked is the engine alone.
 */
const require = createRequire(import.meta.url);
const grpc = createRequire(require.resolve('@pulumi/policy'))('@grpc/grpc-js');
const { AnalyzerClient } = require('@pulumi/pulumi/proto/analyzer_grpc_pb');
const messages = require('@pulumi/pulumi/proto/analyzer_pb');
const { Struct } = createRequire(require.resolve('@pulumi/policy'))(
  'google-protobuf/google/protobuf/struct_pb',
);
const { Empty } = createRequire(require.resolve('@pulumi/policy'))(
  'google-protobuf/google/protobuf/empty_pb',
);

const host = spawn(
  process.execPath,
  [resolve('node_modules/@pulumi/pulumi/cmd/run-policy-pack'), '127.0.0.1:1', resolve('policy')],
  {
    cwd: resolve('policy'),
    env: {
      ...process.env,
      PULUMI_NODEJS_PROJECT: 'reseal',
      PULUMI_NODEJS_STACK: 'prod',
      PULUMI_CONFIG: JSON.stringify({ 'reseal:project': 'example-data' }),
    },
  },
);
afterAll(() => host.kill());

let client: Record<string, (message: unknown, done: (error: Error | null, answer: unknown) => void) => void>;
const ask = <T>(method: string, message: unknown) =>
  new Promise<T>((done, fail) => {
    client[method]?.(message, (error, answer) => (error === null ? done(answer as T) : fail(error)));
  });

beforeAll(async () => {
  const said: string[] = [];
  const port = await new Promise<string>((done, fail) => {
    host.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    host.stdout.once('data', (chunk: Buffer) => done(chunk.toString().trim()));
    host.once('exit', () => fail(new Error(said.join(''))));
  });
  client = new AnalyzerClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
});

it('serves every rule, all mandatory', async () => {
  const info = await ask<{ toObject(): { name: string; policiesList: { name: string }[] } }>(
    'getAnalyzerInfo',
    new Empty(),
  );
  const { name, policiesList } = info.toObject();
  expect(name).toBe('reseal');
  expect(policiesList.map((policy) => policy.name)).toEqual([
    'no-wide-roles',
    'no-public-members',
    'production-protected',
    'plaintext-tagged',
    'supported-runtime',
    'one-region',
  ]);
});

it('refuses an unprotected key of production', async () => {
  const request = new messages.AnalyzeRequest();
  request.setType('gcp:kms/cryptoKey:CryptoKey');
  request.setName('source');
  request.setUrn('urn:pulumi:prod::reseal::gcp:kms/cryptoKey:CryptoKey::source');
  request.setProperties(Struct.fromJavaScript({ name: 'source' }));
  request.setOptions(new messages.AnalyzerResourceOptions());
  const answer = await ask<{ toObject(): { diagnosticsList: { policyname: string; message: string }[] } }>(
    'analyze',
    request,
  );
  expect(answer.toObject().diagnosticsList).toMatchObject([
    { policyname: 'production-protected', message: expect.stringContaining('source is not protected') },
  ]);
});
