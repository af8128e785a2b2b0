import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { statements } from '../../jobs/contract/sql/index.ts';
import { dataprocEngine } from '../../jobs/engines/dataproc/index.ts';
import { asWrappedKey } from '../../jobs/envelope/brands.ts';
import { bigQueryService } from '../../jobs/google/bigquery.ts';
import { kmsClient } from '../../jobs/google/clients.ts';
import { googleFailure } from '../../jobs/google/failures.ts';
import { keyService } from '../../jobs/google/kms.ts';
import { pace } from '../../jobs/google/pace.ts';
import { projectFault, projectFaultIn } from '../../jobs/google/project-faults.ts';
import { runByWorkflow } from '../../jobs/run/by-workflow.ts';
import { endpointsOf } from '../../sandbox/http/endpoints.ts';
import { type GrpcServer, grpcServer } from '../../sandbox/http/grpc/server.ts';
import { listenForBoth, type Port } from '../../sandbox/http/port.ts';
import { aDeployment } from '../support/deployment.ts';
import { silent } from '../support/sandbox.ts';

/**
 * Answers of Google's front end. Details: https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto;
 * `errors` are of the services that have REST alone.
 */
const info = (reason: string, metadata: Record<string, string>) => ({
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason,
  domain: 'googleapis.com',
  metadata,
});
const denied = (message: string, more: object) => ({
  error: { code: 403, message, status: 'PERMISSION_DENIED', ...more },
});
const url = (service: string) =>
  `https://console.developers.google.com/apis/api/${service}/overview?project=123456`;
const disabled = (title: string, service: string) => {
  const message = `${title} has not been used in project 123456 before or it is disabled. Enable it by visiting ${url(service)} then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.`;
  return denied(message, {
    errors: [
      {
        message,
        domain: 'usageLimits',
        reason: 'accessNotConfigured',
        extendedHelp: 'https://console.developers.google.com',
      },
    ],
    details: [
      {
        '@type': 'type.googleapis.com/google.rpc.Help',
        links: [{ description: 'Google developers console API activation', url: url(service) }],
      },
      info('SERVICE_DISABLED', { consumer: 'projects/123456', service }),
    ],
  });
};
const quota = (service: string) =>
  denied(
    `Your application is authenticating by using local Application Default Credentials. The ${service} API requires a quota project, which is not set by default. To learn how to set your quota project, see https://cloud.google.com/docs/authentication/adc-troubleshooting/user-creds .`,
    { details: [info('SERVICE_DISABLED', { consumer: 'projects/764086051850', service })] },
  );
const unusable = denied(
  'Caller does not have required permission to use project my-quota. Grant the caller the roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission, by visiting https://console.developers.google.com/iam-admin/iam/project?project=my-quota and then retry. Propagation of the new permission may take a few minutes.',
  {
    details: [
      info('USER_PROJECT_DENIED', { consumer: 'projects/my-quota', service: 'cloudkms.googleapis.com' }),
    ],
  },
);
const unbilled = (service: string) =>
  denied(
    'This API method requires billing to be enabled. Please enable billing on project #123456 by visiting https://console.developers.google.com/billing/enable?project=123456 then retry. If you enabled billing for this project recently, wait a few minutes for the action to propagate to our systems and retry.',
    { details: [info('BILLING_DISABLED', { consumer: 'projects/123456', service })] },
  );
const freeTier =
  'Billing has not been enabled for this project. Enable billing at https://console.cloud.google.com/billing. DML queries are not allowed in the free tier. Set up a billing account to remove this restriction.';
const unbilledBigQuery = denied(freeTier, {
  errors: [{ message: freeTier, domain: 'global', reason: 'billingNotEnabled' }],
});

/** A service that answers every request alike, over HTTP and gRPC. */
let answer: { error: { code: number } } = denied('', {});
let port: Port;
let grpc: GrpcServer;
let origin = '';
beforeAll(async () => {
  const http = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(answer.error.code, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  });
  grpc = grpcServer(async () => ({ status: answer.error.code, body: answer }));
  port = await listenForBoth(0, (connection) => http.emit('connection', connection), grpc.serve);
  origin = `http://127.0.0.1:${port.number}`;
});
afterAll(async () => {
  grpc.close();
  await port.close();
});

const deployment = aDeployment({ workflow: 'projects/a-project/locations/us-central1/workflows/reseal' });
const sql = statements(deployment);
const signal = new AbortController().signal;
const endpoints = () => endpointsOf(origin, 'any');
const keyset = { version: 1, wrapped: Buffer.alloc(1), kmsKey: '' };
const RUN = { runId: 'a-run-of-it', mode: 'pending' as const, engine: 'auto' as const };

/** One call of each client, as the job makes it. */
const CALLS = {
  'bigquery.googleapis.com': async () =>
    (await bigQueryService(deployment, endpoints())).query(sql.newestKeyset, {}),
  'bigquery.googleapis.com, pages': async () => {
    const bigquery = await bigQueryService(deployment, endpoints());
    for await (const page of bigquery.pages(sql.newestKeyset, {})) expect(page).toBeUndefined();
  },
  'cloudkms.googleapis.com': async () =>
    keyService(await kmsClient(endpoints()), { pace: pace(100) }).unwrap(
      'projects/p/locations/l/keyRings/r/cryptoKeys/k',
      asWrappedKey(Buffer.from('k')),
    ),
  'dataproc.googleapis.com': async () =>
    dataprocEngine(deployment, endpoints()).stage(
      {
        ...RUN,
        snapshotMillis: '1',
        idFrom: '0',
        idCutoff: '9',
        wave: 0,
        waves: 1,
        keyset,
        limit: null,
        selected: 1,
        spent: [],
      },
      () => {},
      signal,
    ),
  'workflows.googleapis.com': async () => {
    const bigquery = { query: async () => [] };
    const context = { deployment, bigquery, sql, engines: {}, signal };
    return runByWorkflow(
      context as unknown as Parameters<typeof runByWorkflow>[0],
      { ...RUN, limit: null },
      { rejected: false },
      silent,
      endpoints(),
    );
  },
};

describe.each(Object.entries(CALLS))('a call of %s', (name, call) => {
  const service = name.replace(/,.*/, '');

  it('that is not enabled says how to enable it', async () => {
    answer = disabled('The API', service);
    await expect(call()).rejects.toMatchObject({
      code: 'service-disabled',
      message: `${service} is not enabled in project 123456`,
      hint: expect.stringContaining(`gcloud services enable ${service} --project 123456`),
    });
  });

  it('without a quota project says how to set one, and one that may not be used says the role', async () => {
    answer = quota(service);
    await expect(call()).rejects.toMatchObject({
      code: 'quota-project',
      hint: expect.stringContaining('gcloud auth application-default set-quota-project'),
    });
    answer = unusable;
    await expect(call()).rejects.toMatchObject({
      code: 'quota-project',
      hint: expect.stringContaining('roles/serviceusage.serviceUsageConsumer on project my-quota'),
    });
  });

  it('without billing says so', async () => {
    for (answer of [unbilled(service), ...(service.startsWith('bigquery') ? [unbilledBigQuery] : [])])
      await expect(call()).rejects.toMatchObject({
        code: 'billing-disabled',
        hint: expect.stringContaining('gcloud billing projects link'),
      });
  });
});

describe('a call of Cloud KMS', () => {
  it.each([
    ['SERVICE_DISABLED', 'projects/123456', 'service-disabled'],
    ['SERVICE_DISABLED', 'projects/764086051850', 'quota-project'],
    ['USER_PROJECT_DENIED', 'projects/123456', 'quota-project'],
    ['BILLING_DISABLED', 'projects/123456', 'billing-disabled'],
  ])('whose details say %s for %s fails with %s, whatever its sentence', async (reason, consumer, code) => {
    answer = denied('No.', { details: [info(reason, { consumer, service: 'cloudkms.googleapis.com' })] });
    await expect(CALLS['cloudkms.googleapis.com']()).rejects.toMatchObject({ code });
  });

  it('credentials that are missing are no missing role', async () => {
    const message =
      '16 UNAUTHENTICATED: Failed to retrieve auth metadata with error: Could not load the default credentials. Browse to https://cloud.google.com/docs/authentication/getting-started for more information.';
    const client = { decrypt: () => Promise.reject(Object.assign(new Error(message), { code: 16 })) };
    const service = keyService(client as unknown as Awaited<ReturnType<typeof kmsClient>>, {
      pace: pace(100),
    });
    await expect(service.unwrap('kek', asWrappedKey(Buffer.from('k')))).rejects.toMatchObject({
      code: 'no-credentials',
      hint: expect.stringContaining('gcloud auth application-default login'),
    });
    const expired = Object.assign(new Error('invalid_grant'), { code: '400' });
    expect(projectFault(googleFailure(expired))).toMatchObject({ code: 'no-credentials' });
  });
});

it('a text that carries the sentence of a service is recognised; a missing role is something else', () => {
  const { message } = disabled('Cloud Key Management Service (KMS) API', 'cloudkms.googleapis.com').error;
  expect(projectFaultIn(`projects/p/batches/b failed: Caused by: 403 ${message}`)).toMatchObject({
    code: 'service-disabled',
    message: 'cloudkms.googleapis.com is not enabled in project 123456',
  });
  expect(
    projectFaultIn('The billing account for the owning project is disabled in state absent'),
  ).toMatchObject({ code: 'billing-disabled' });
  expect(
    projectFaultIn(
      "Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied on resource 'projects/p/k' (or it may not exist).",
    ),
  ).toBeNull();
});
