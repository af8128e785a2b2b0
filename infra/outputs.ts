import * as pulumi from '@pulumi/pulumi';
import type { Deployment } from '../jobs/contract/deployment.ts';
import type { Application } from './application.ts';
import type { Identity } from './identity.ts';
import type { Keys } from './keys.ts';
import type { Network } from './network.ts';
import type { Settings } from './settings.ts';
import type { Storage } from './storage.ts';
import type { Warehouse } from './warehouse.ts';

export interface Parts {
  settings: Settings;
  storage: Storage;
  warehouse: Warehouse;
  keys: Keys;
  identity: Identity;
  network: Network;
  /** Undefined without a bundle, or where a jar runs in its place. */
  application: Application | undefined;
}

/** A stack's outputs while they are being made: each is known once what it names exists. */
export type Outputs<T> = { [K in keyof T]: pulumi.Input<T[K]> };

/** All that a run needs to know, under the names of jobs/deployment.ts; the workflow comes on top. */
export function describe(parts: Parts): Outputs<Omit<Deployment, 'workflow'>> {
  const { settings, storage, warehouse, keys, identity, network, application } = parts;
  return {
    stack: settings.stack,
    project: settings.project,
    location: settings.location,
    bucket: storage.bucket,
    tempFolder: settings.tempFolder,
    dataset: warehouse.dataset,
    tables: pulumi.output(warehouse.tables),
    readProcedure: warehouse.readProcedure,
    idColumn: settings.idColumn,
    fields: settings.fields,
    sourceFormat: settings.sourceFormat,
    keying: settings.keying,
    storePlaintext: settings.storePlaintext,
    readLimitRows: settings.readLimitRows ?? null,
    sourceKek: keys.sourceKek,
    bigqueryKek: keys.bigqueryKek,
    engines: settings.engines,
    directMaxRows: settings.directMaxRows,
    verifyRows: settings.verifyRows,
    batch: pulumi.output({
      runtimeVersion: settings.runtimeVersion,
      serviceAccount: identity.batch,
      subnetwork: network.subnetwork,
      application: application?.uris ?? null,
      jarFile: settings.jarFile ?? null,
      mainClass: settings.mainClass ?? null,
      maxExecutors: settings.maxExecutors,
      ttlSeconds: settings.ttlMinutes * 60,
      kmsCallsPerSecond: settings.kmsCallsPerSecond,
      labels: settings.labels,
    }),
  };
}
