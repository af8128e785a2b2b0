import type { Endpoints } from '../google/clients.ts';
import { heldPermissions } from '../google/permissions.ts';
import type { RunContext } from '../run/context.ts';
import { checkBundle } from './check-bundle.ts';
import { checkKeys, checkKeyset } from './check-keys.ts';
import { checkLeftovers } from './check-leftovers.ts';
import { checkPermissions } from './check-permissions.ts';
import { checkSource } from './check-source.ts';
import { checkTables } from './check-tables.ts';
import type { Finding } from './finding.ts';

/**
 * Every check of a stack, in the order in which a run would stumble. Nothing is changed, and no value of a row is
 * shown. What needs the tables is left out where they are not as they should be.
 */
export async function doctor(context: RunContext, endpoints?: Endpoints): Promise<Finding[]> {
  const { deployment, bigquery } = context;
  const held = await heldPermissions(endpoints);
  const [tables, permissions, keys, bundle] = await Promise.all([
    checkTables(deployment, bigquery),
    checkPermissions(deployment, held),
    checkKeys(deployment, endpoints),
    checkBundle(deployment, endpoints),
  ]);
  const found = [...tables, ...permissions, ...keys, ...bundle];
  if (found.some(({ verdict }) => verdict === 'failed')) return found;
  const [keyset, leftovers, source] = await Promise.all([
    checkKeyset(context),
    checkLeftovers(context),
    checkSource(context, endpoints),
  ]);
  return [...found, keyset, ...leftovers, source];
}

/** Whether a run may start. */
export const mayStart = (findings: readonly Finding[]): boolean =>
  findings.every(({ verdict }) => verdict !== 'failed');
