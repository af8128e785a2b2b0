import * as pulumi from '@pulumi/pulumi';
import { batchApplication, jobApplication } from './infra/application.ts';
import { Audit } from './infra/audit.ts';
import { Bindings } from './infra/bindings.ts';
import { CloudRun } from './infra/cloud-run.ts';
import { Identity } from './infra/identity.ts';
import { Keys } from './infra/keys.ts';
import { Network } from './infra/network.ts';
import { describe } from './infra/outputs.ts';
import { Services } from './infra/services.ts';
import { loadSettings } from './infra/settings.ts';
import { Storage } from './infra/storage.ts';
import { unattendedRuns } from './infra/unattended.ts';
import { Warehouse } from './infra/warehouse.ts';
import { carriersOf } from './jobs/contract/carriers.ts';
import { tableIds } from './jobs/contract/settings/table-settings.ts';

const settings = loadSettings(pulumi.runtime.allConfig(), pulumi.getStack());
const carriers = carriersOf(settings);
const services = new Services('services', { ...settings, ...carriers });
const args = { ...settings, ...carriers, project: services.project };

const keys = new Keys('keys', args);
const storage = new Storage('storage', { ...args, kmsKey: keys.atRest?.storage });
const warehouse = new Warehouse('warehouse', {
  ...args,
  tables: tableIds(settings),
  projectId: settings.project,
  kmsKey: keys.atRest?.bigquery,
});
const application = batchApplication(args, storage.bucket);
const object = jobApplication(args, storage.bucket)?.objects.job;
// Who opens data keys is there only with what does it.
const identity =
  carriers.batches || object !== undefined
    ? new Identity('identity', { ...args, job: object !== undefined })
    : undefined;
const network = carriers.batches ? new Network('network', args) : undefined;

const described = describe({ settings, storage, warehouse, keys, identity, network, application });
const cloudRun =
  object === undefined || identity?.job === undefined
    ? undefined
    : new CloudRun('cloud-run', {
        ...args,
        bucket: storage.bucket,
        object,
        serviceAccount: identity.job,
        outputs: described,
      });
new Bindings('bindings', {
  ...args,
  composer: settings.composerServiceAccount,
  identity,
  keys,
  storage,
  warehouse,
  cloudRun,
});
if (settings.auditLogs) new Audit('audit', args);

const outputs = { ...described, cloudRunJob: cloudRun?.job ?? null };
const unattended =
  identity === undefined ? undefined : unattendedRuns({ ...args, application, cloudRun, identity, outputs });

/** The stack's outputs, under the names that jobs/contract/deployment.ts lists. */
export default { ...outputs, workflow: unattended?.workflow ?? null };
