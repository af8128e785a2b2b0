import type { Endpoints } from '../../jobs/google/clients.ts';

/** Where the sandbox's services are. One origin serves them all; `control` is its own routes'. */
export type SandboxEndpoints = Endpoints & { readonly accessToken: string; readonly control: string };

/** `accessToken` says as whom calls are made. */
export const endpointsOf = (origin: string, accessToken: string): SandboxEndpoints => ({
  kms: origin,
  bigquery: origin,
  storage: origin,
  dataproc: origin,
  workflows: origin,
  resourceManager: origin,
  iam: origin,
  serviceUsage: origin,
  run: origin,
  accessToken,
  control: origin,
});
