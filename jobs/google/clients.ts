import type { BigQuery } from '@google-cloud/bigquery';
import type { BatchControllerClient } from '@google-cloud/dataproc';
import type { KeyManagementServiceClient } from '@google-cloud/kms';
import type { Storage, StorageOptions } from '@google-cloud/storage';
import type { ExecutionsClient } from '@google-cloud/workflows';
import type { Metadata } from '@grpc/grpc-js';
import type { AuthClient } from 'google-auth-library';
import type { ClientOptions } from 'google-gax';
import type { Deployment } from '../contract/deployment.ts';
import { googleFailure } from './failures.ts';
import { projectFault } from './project-faults.ts';

/**
 * Where Google's services are, as origins (`http://127.0.0.1:4711`); undefined means Google itself, with the
 * caller's application default credentials. Nothing else tells a stack from the sandbox.
 */
export interface Endpoints {
  readonly kms: string;
  readonly bigquery: string;
  readonly storage: string;
  readonly dataproc: string;
  readonly workflows: string;
  readonly resourceManager: string;
  readonly iam: string;
  readonly serviceUsage: string;
  readonly run: string;
  /** The access token that goes along with every call; application default credentials are Google's only. */
  readonly accessToken?: string;
}

/**
 * Google's clients are imported when first needed: together they take longer to load than `--help` may take.
 */
export async function bigQueryClient(
  stack: Pick<Deployment, 'project'> & Partial<Pick<Deployment, 'location'>>,
  endpoints?: Endpoints,
): Promise<BigQuery> {
  const { BigQuery } = await import('@google-cloud/bigquery');
  const { project: projectId, location } = stack;
  const place = { projectId, ...(location === undefined ? {} : { location }) };
  if (endpoints === undefined) return new BigQuery(place);
  return new BigQuery({
    ...place,
    apiEndpoint: endpoints.bigquery,
    authClient: await tokenAuth(endpoints),
  });
}

export async function kmsClient(endpoints?: Endpoints): Promise<KeyManagementServiceClient> {
  const { KeyManagementServiceClient } = await import('@google-cloud/kms');
  return ready(new KeyManagementServiceClient(await gaxOptions('kms', endpoints)));
}

/** Batches are a regional service with a host of its own a region. */
export async function batchClient(
  deployment: Deployment,
  endpoints?: Endpoints,
): Promise<BatchControllerClient> {
  const { BatchControllerClient } = await import('@google-cloud/dataproc');
  const regional = `${deployment.location}-dataproc.googleapis.com`;
  return ready(new BatchControllerClient(await gaxOptions('dataproc', endpoints, regional)));
}

export async function storageClient(deployment: Deployment, endpoints?: Endpoints): Promise<Storage> {
  const { Storage } = await import('@google-cloud/storage');
  const projectId = deployment.project;
  if (endpoints === undefined) return new Storage({ projectId });
  const authClient = spreadable(await tokenAuth(endpoints));
  const apiEndpoint = endpoints.storage;
  return new Storage({ projectId, apiEndpoint, authClient, useAuthWithCustomEndpoint: true });
}

export async function executionsClient(endpoints?: Endpoints): Promise<ExecutionsClient> {
  const { ExecutionsClient } = await import('@google-cloud/workflows');
  return ready(new ExecutionsClient(await gaxOptions('workflows', endpoints)));
}

/**
 * A client with its credentials. Left to itself it looks for them at its first call, and throws where nobody can catch
 * the error.
 */
async function ready<T extends { initialize(): Promise<unknown> }>(client: T): Promise<T> {
  await credentialed(client.initialize());
  return client;
}

/** @throws ResealError `no-credentials` for work that finds none */
async function credentialed<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw projectFault(googleFailure(error)) ?? error;
  }
}

/** Origins and the credentials to call them with, for the few methods that are called without a client library. */
export async function authorised(
  endpoints?: Endpoints,
): Promise<{ readonly origins: Origins; readonly auth: AuthClient }> {
  if (endpoints !== undefined) return { origins: endpoints, auth: await tokenAuth(endpoints) };
  const { GoogleAuth } = await import('google-auth-library');
  return { origins: GOOGLE, auth: await credentialed(new GoogleAuth({ scopes: SCOPE }).getClient()) };
}

type Origins = Pick<
  Endpoints,
  'kms' | 'bigquery' | 'storage' | 'resourceManager' | 'iam' | 'serviceUsage' | 'run'
>;

const GOOGLE: Origins = {
  kms: 'https://cloudkms.googleapis.com',
  bigquery: 'https://bigquery.googleapis.com',
  storage: 'https://storage.googleapis.com',
  resourceManager: 'https://cloudresourcemanager.googleapis.com',
  iam: 'https://iam.googleapis.com',
  serviceUsage: 'https://serviceusage.googleapis.com',
  run: 'https://run.googleapis.com',
};

/** https://developers.google.com/identity/protocols/oauth2/scopes */
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

/**
 * Options of Google's generated clients for another endpoint, whose scheme says whether it speaks gRPC over TLS;
 * `regional` is the host that a regional service has at Google.
 */
async function gaxOptions(
  service: 'kms' | 'dataproc' | 'workflows',
  endpoints: Endpoints | undefined,
  regional?: string,
): Promise<ClientOptions> {
  if (endpoints === undefined) return regional === undefined ? {} : { apiEndpoint: regional };
  const { credentials } = await import('@grpc/grpc-js');
  const { protocol, hostname, port } = new URL(endpoints[service]);
  const tls = protocol === 'https:';
  const authClient = await tokenAuth(endpoints);
  const headers = await authClient.getRequestHeaders();
  return {
    apiEndpoint: hostname,
    port: Number(port) || (tls ? 443 : 80),
    authClient,
    sslCreds: tls ? credentials.createSsl() : credentials.createInsecure(),
    // The library attaches tokens to channels of its own only.
    'grpc.callInvocationTransformer': (call: { readonly metadata: Metadata }) => {
      for (const [name, value] of headers) call.metadata.set(name, value);
      return call;
    },
  };
}

/**
 * Other endpoints than Google's have no metadata server and no key file to find: their token comes with them, and
 * without one a made-up token keeps the clients from looking for an account.
 */
async function tokenAuth({ accessToken = 'none' }: Endpoints): Promise<AuthClient> {
  const { OAuth2Client } = await import('google-auth-library');
  const client = new OAuth2Client();
  client.setCredentials({ access_token: accessToken, expiry_date: Number.MAX_SAFE_INTEGER });
  return client;
}

/**
 * The storage client brings google-auth-library 9, which spreads the headers of an AuthClient; version 10 gives
 * them as Headers, which have nothing to spread.
 */
function spreadable(client: AuthClient): NonNullable<StorageOptions['authClient']> {
  const headers = client.getRequestHeaders.bind(client);
  client.getRequestHeaders = async (url) => {
    const made = await headers(url);
    return Object.assign(made, Object.fromEntries(made));
  };
  return client as unknown as NonNullable<StorageOptions['authClient']>;
}
