import { ResealError } from '../contract/errors.ts';
import type { Endpoints } from '../google/clients.ts';
import { heldPermissions } from '../google/permissions.ts';
import { policies } from '../google/policies.ts';
import { serviceUsage } from '../google/service-usage.ts';
import type { RunContext } from '../run/context.ts';
import { checkAccounts } from './check-accounts.ts';
import { checkApis } from './check-apis.ts';
import { checkBundle, checkConnector } from './check-bundle.ts';
import { checkDeployedJob } from './check-deployed-job.ts';
import { checkKeys, checkKeyset, keyRegion } from './check-keys.ts';
import { checkLeftovers } from './check-leftovers.ts';
import { checkPartitions } from './check-partitions.ts';
import { checkPermissions } from './check-permissions.ts';
import { checkQuotas } from './check-quotas.ts';
import { checkRowIds } from './check-row-ids.ts';
import { checkSource } from './check-source.ts';
import { checkStreaming } from './check-streaming.ts';
import { checkTables, tablesToStart } from './check-tables.ts';
import type { Finding } from './finding.ts';

/**
 * Every check of a stack, in the order in which a run would stumble. Nothing is changed, and no value of a row is
 * shown. What needs the tables is left out where they are not as they should be.
 */
export async function doctor(context: RunContext, endpoints?: Endpoints): Promise<Finding[]> {
  const { deployment, bigquery } = context;
  const [held, usage, policiesOf] = await Promise.all([
    heldPermissions(endpoints),
    serviceUsage(endpoints),
    policies(endpoints),
  ]);
  const [apis, tables, permissions, accounts, keys, bundle] = await Promise.all([
    checkApis(deployment, usage),
    checkTables(deployment, bigquery),
    checkPermissions(deployment, bigquery.client, held),
    checkAccounts(deployment, policiesOf),
    checkKeys(deployment, endpoints),
    checkBundle(deployment, endpoints),
  ]);
  const found = [
    apis,
    ...tables,
    ...permissions,
    ...accounts,
    ...keys,
    ...bundle,
    ...checkConnector(deployment),
    ...checkDeployedJob(deployment),
  ];
  const resource = tables.some(({ verdict }) => verdict === 'failed')
    ? null
    : await bigquery.tableResource('source');
  found.push(...(await checkQuotas(deployment, resource, usage)));
  if (resource === null || found.some(({ verdict }) => verdict === 'failed')) return found;
  found.push(checkStreaming(deployment, resource), ...checkPartitions(deployment, resource));
  const [ids, keyset, leftovers, source] = await Promise.all([
    checkRowIds(context, resource),
    checkKeyset(context),
    checkLeftovers(context),
    checkSource(context, endpoints),
  ]);
  return [...found, ids, keyset, ...leftovers, source];
}

/**
 * What stands in the way of any run and is seen in a moment, by a look at each table and at the keys' names: a run asks
 * before it begins. Whether the keys can be used it learns soon enough.
 *
 * @throws ResealError `not-ready` with the first thing to change, or BigQuery's own where it does not say
 */
export async function checkReady({
  deployment,
  bigquery,
}: Pick<RunContext, 'deployment' | 'bigquery'>): Promise<void> {
  const found = [...(await tablesToStart(deployment, bigquery)), keyRegion(deployment)];
  const [first, ...more] = found.filter(({ verdict }) => verdict === 'failed');
  if (first === undefined) return;
  const others = more.length === 0 ? '' : `; and ${more.length} more, which \`reseal doctor\` lists`;
  throw new ResealError('not-ready', `${first.check}: ${first.found}${others}`, {
    ...(first.remedy === null ? {} : { hint: first.remedy }),
  });
}

/** Whether a run may start. */
export const mayStart = (findings: readonly Finding[]): boolean =>
  findings.every(({ verdict }) => verdict !== 'failed');
