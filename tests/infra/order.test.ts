import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { startServer } from '../../sandbox/process/server.ts';
import { everyCreator } from '../support/pulumi/creators.ts';
import { type Registered, runEngine } from '../support/pulumi/engine.ts';
import { worstOrders } from '../support/pulumi/order.ts';
import { configOf, FILLED_IN } from '../support/pulumi/program.ts';

/** Deploys resources one after another into a project without anything in it; what the first failure says. */
async function deploy(order: readonly Registered[]): Promise<string | null> {
  const state = mkdtempSync(join(tmpdir(), 'reseal-order-'));
  const project = String(order.find(({ type }) => type.includes(':Service'))?.inputs.project);
  const server = await startServer({ state, project, bare: true });
  try {
    const create = everyCreator(server.origin, server.iam.ownerToken);
    for (const { type, name, inputs } of order) {
      const creator = create[type];
      if (creator === undefined) throw new Error(`tests/support/pulumi/creators.ts does not know ${type}`);
      try {
        await creator(inputs);
      } catch (error) {
        return `${type} ${name}: ${error instanceof Error ? error.message : error}`;
      }
    }
    return null;
  } finally {
    await server.close();
    rmSync(state, { recursive: true, force: true });
  }
}

/** What the first of the worst orders that fails says; null where all of them go well. */
async function failure(registered: readonly Registered[]): Promise<string | null> {
  for (const order of worstOrders(registered)) {
    const failed = await deploy(order);
    if (failed !== null) return failed;
  }
  return null;
}

const registered: Record<string, Registered[]> = {};
beforeAll(async () => {
  const every = { 'reseal:engines': ['dataproc', 'bigquery'] };
  for (const stack of ['dev', 'prod']) {
    const config = configOf(stack, { ...FILLED_IN[stack], ...every });
    registered[stack] = (await runEngine(stack, config, false)).registered;
  }
});

it.each(['dev', 'prod'])('%s: each resource says all that it waits for', async (stack) => {
  expect(await failure(registered[stack] ?? [])).toBeNull();
});

describe('a resource that does not wait for what it needs is found', () => {
  /** The program where some resources wait for what `needed` waits for, and no longer for that itself. */
  const without = (waits: RegExp, needed: RegExp): Registered[] => {
    const all = registered.prod ?? [];
    const left = (urns: readonly string[]): string[] =>
      urns.flatMap((urn) =>
        needed.test(urn) ? left(all.find((other) => other.urn === urn)?.dependencies ?? []) : urn,
      );
    return all.map((one) =>
      waits.test(`${one.type} ${one.name}`) ? { ...one, dependencies: left(one.dependencies) } : one,
    );
  };

  it.each<[waits: RegExp, needed: RegExp, message: string]>([
    [
      /Service bigquery$/,
      /Service::cloudresourcemanager/,
      'cloudresourcemanager.googleapis.com has not been used',
    ],
    [
      /KeyRing ring/,
      /Service::cloudkms|ServiceIdentity/,
      'cloudkms.googleapis.com has not been used in project',
    ],
    [/iamMember:IamMember batch-keysets/, /::keysets$/, 'Not found: Table'],
    [/iamMember:IamMember/, /:Account::/, 'does not exist'],
    [/alertPolicy/, /logging/, 'Cannot find metric that matches type'],
    [/routine:Routine/, /:Table::/, 'Not found: Table'],
    [/datasetAccess/, /:Routine::/, 'Not found: Routine'],
    [/bucket:Bucket /, /cryptoKeyIAMMember/, "Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied"],
    [/dataset:Dataset dataset/, /cryptoKeyIAMMember/, "'cloudkms.cryptoKeyVersions.useToEncrypt' denied"],
    [/workflow:Workflow/, /:Account::/, 'does not exist'],
    [/cloudrunv2\/job:Job/, /:Account::/, 'does not exist'],
    [/JobIamMember/, /cloudrunv2\/job:Job::/, "of kind 'JOB' does not exist"],
    // What comes before the workflow waits for the identity, too.
    [/./, /ServiceIdentity/, 'Workflows service agent does not exist'],
    [/subnetwork:Subnetwork/, /:Network::/, 'was not found'],
  ])('%s without %s', async (waits, needed, message) => {
    expect(await failure(without(waits, needed))).toContain(message);
  });
});
