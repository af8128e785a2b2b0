import type { BigQuery } from '@google-cloud/bigquery';
import type { BatchControllerClient } from '@google-cloud/dataproc';
import type { KeyManagementServiceClient } from '@google-cloud/kms';
import type { Storage } from '@google-cloud/storage';
import type { ExecutionsClient } from '@google-cloud/workflows';
import type { AuthClient } from 'google-auth-library';
import type { ClientOptions } from 'google-gax';
import type { Deployment } from '../contract/deployment.ts';

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
}

/**
 * Google's clients are imported when first needed: together they take longer to load than `--help` may take.
 */
export async function bigQueryClient(deployment: Deployment, endpoints?: Endpoints): Promise<BigQuery> {
  const { BigQuery } = await import('@google-cloud/bigquery');
  const { project: projectId, location } = deployment;
  if (endpoints === undefined) return new BigQuery({ projectId, location });
  return new BigQuery({
    projectId,
    location,
    apiEndpoint: endpoints.bigquery,
    authClient: await offlineAuth(),
  });
}

export async function kmsClient(endpoints?: Endpoints): Promise<KeyManagementServiceClient> {
  const { KeyManagementServiceClient } = await import('@google-cloud/kms');
  return new KeyManagementServiceClient(await gaxOptions(endpoints?.kms));
}

/** Batches are a regional service with a host of its own a region. */
export async function batchClient(
  deployment: Deployment,
  endpoints?: Endpoints,
): Promise<BatchControllerClient> {
  const { BatchControllerClient } = await import('@google-cloud/dataproc');
  const regional = `${deployment.location}-dataproc.googleapis.com`;
  return new BatchControllerClient(await gaxOptions(endpoints?.dataproc, regional));
}

/** The storage client asks for no credentials where its endpoint is not Google's. */
export async function storageClient(deployment: Deployment, endpoints?: Endpoints): Promise<Storage> {
  const { Storage } = await import('@google-cloud/storage');
  const projectId = deployment.project;
  return new Storage(endpoints === undefined ? { projectId } : { projectId, apiEndpoint: endpoints.storage });
}

export async function executionsClient(endpoints?: Endpoints): Promise<ExecutionsClient> {
  const { ExecutionsClient } = await import('@google-cloud/workflows');
  return new ExecutionsClient(await gaxOptions(endpoints?.workflows));
}

/**
 * Options of Google's generated clients for an endpoint that speaks plain HTTP and JSON; `regional` is the
 * host that a regional service has at Google.
 */
export async function gaxOptions(origin: string | undefined, regional?: string): Promise<ClientOptions> {
  if (origin === undefined) return regional === undefined ? {} : { apiEndpoint: regional };
  const { protocol, hostname, port } = new URL(origin);
  return {
    fallback: true,
    protocol: protocol.slice(0, -1),
    apiEndpoint: hostname,
    port: Number(port) || (protocol === 'https:' ? 443 : 80),
    authClient: await offlineAuth(),
  };
}

/** Other endpoints than Google's ask for no account: a made-up token keeps the clients from looking for one. */
async function offlineAuth(): Promise<AuthClient> {
  const { OAuth2Client } = await import('google-auth-library');
  const client = new OAuth2Client();
  client.setCredentials({ access_token: 'offline', expiry_date: Number.MAX_SAFE_INTEGER });
  return client;
}
