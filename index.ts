import * as pulumi from '@pulumi/pulumi';
import { applicationOf } from './infra/application.ts';
import { Audit } from './infra/audit.ts';
import { Bindings } from './infra/bindings.ts';
import { Identity } from './infra/identity.ts';
import { Keys } from './infra/keys.ts';
import { Network } from './infra/network.ts';
import { describe } from './infra/outputs.ts';
import { Services } from './infra/services.ts';
import { loadSettings } from './infra/settings.ts';
import { Storage } from './infra/storage.ts';
import { unattendedRuns } from './infra/unattended.ts';
import { Warehouse } from './infra/warehouse.ts';
import { tableIds } from './jobs/contract/settings/table-settings.ts';

const settings = loadSettings(pulumi.runtime.allConfig(), pulumi.getStack());
const services = new Services('services', settings);
const args = { ...settings, project: services.project };

const keys = new Keys('keys', args);
const storage = new Storage('storage', { ...args, kmsKey: keys.atRest?.storage });
const warehouse = new Warehouse('warehouse', {
  ...args,
  tables: tableIds(settings),
  projectId: settings.project,
  kmsKey: keys.atRest?.bigquery,
});
// What runs in a batch, and what starts it, has accounts and a network of its own; no other engine asks for any.
const batches = settings.engines.includes('dataproc');
const identity = batches ? new Identity('identity', args) : undefined;
const network = batches ? new Network('network', args) : undefined;
const application = applicationOf(settings, storage.bucket);
new Bindings('bindings', {
  ...args,
  composer: settings.composerServiceAccount,
  identity,
  keys,
  storage,
  warehouse,
});
if (settings.auditLogs) new Audit('audit', args);

const outputs = describe({ settings, storage, warehouse, keys, identity, network, application });
const unattended =
  identity === undefined ? undefined : unattendedRuns({ ...args, application, identity, outputs });

/** The stack's outputs, under the names that jobs/contract/deployment.ts lists. */
export default { ...outputs, workflow: unattended?.workflow ?? null };
