import type { Deployment } from '../../jobs/contract/deployment.ts';
import type { SandboxEndpoints } from '../http/endpoints.ts';

/** What `npm run sandbox` prints: the endpoints and a line to try each service with. */
export function welcome(state: string, endpoints: SandboxEndpoints, deployment: Deployment): string {
  const { project, location, bucket, dataset, tables, sourceKek } = deployment;
  const query = JSON.stringify({
    query: `SELECT COUNT(*) AS n FROM \`${project}.${dataset}.${tables.source}\``,
    useLegacySql: false,
    location,
  });
  return `${[
    `sandbox of stack ${deployment.stack}, state in ${state}; ctrl-C stops it`,
    '',
    "the calls below are the project owner's:",
    `  RESEAL_TOKEN='authorization: Bearer ${endpoints.accessToken}'`,
    '',
    `Cloud KMS      ${endpoints.kms}`,
    `  curl -s -H "$RESEAL_TOKEN" ${endpoints.kms}/v1/${sourceKek}`,
    `BigQuery       ${endpoints.bigquery}`,
    `  curl -s -H "$RESEAL_TOKEN" ${endpoints.bigquery}/bigquery/v2/projects/${project}/queries -d '${query}'`,
    `Cloud Storage  ${endpoints.storage}`,
    `  curl -s -H "$RESEAL_TOKEN" ${endpoints.storage}/storage/v1/b/${bucket}/o`,
    `control        ${endpoints.control}`,
    `  curl -s ${endpoints.control}/sandbox/v1/kms:calls`,
  ].join('\n')}\n`;
}
