import type { Endpoints } from '../../jobs/google/clients.ts';

/** Where the sandbox's services are. One origin serves them all; `control` is its own routes'. */
export type SandboxEndpoints = Endpoints & { readonly control: string };

export const endpointsOf = (origin: string): SandboxEndpoints => ({
  kms: origin,
  bigquery: origin,
  storage: origin,
  dataproc: origin,
  workflows: origin,
  control: origin,
});
