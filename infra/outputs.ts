import * as pulumi from '@pulumi/pulumi';
import { type Deployment, settled } from '../jobs/contract/deployment.ts';
import { batchSettings } from '../jobs/contract/settings/batch-settings.ts';
import { runSettings } from '../jobs/contract/settings/run-settings.ts';
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
  /** Undefined where nothing runs in a batch. */
  identity: Identity | undefined;
  network: Network | undefined;
  /** Undefined without a bundle, or where a jar runs in its place. */
  application: Application | undefined;
}

/** A stack's outputs while they are being made: each is known once what it names exists. */
export type Outputs<T> = { [K in keyof T]: pulumi.Input<T[K]> };

/** What a run needs to know of a stack: its settings under their own names, and what they became. */
export function describe(parts: Parts): Outputs<Omit<Deployment, 'workflow'>> {
  const { storage, warehouse, keys, identity, network, application } = parts;
  const { fields, unauthenticated, ...settings } = parts.settings;
  return {
    ...settled(runSettings, settings),
    fields,
    unauthenticated,
    stack: settings.stack,
    bucket: storage.bucket,
    dataset: warehouse.dataset,
    tables: pulumi.output(warehouse.tables),
    partitionColumn: settings.partitionColumn ?? null,
    readDataset: warehouse.readDataset,
    readProcedure: warehouse.readProcedure,
    readView: settings.readView,
    sourceKek: keys.sourceKek,
    bigqueryKek: keys.bigqueryKek,
    batch: pulumi.output({
      ...settled(batchSettings, settings),
      serviceAccount: identity?.batch ?? null,
      subnetwork: network?.subnetwork ?? null,
      application: application?.uris ?? null,
    }),
  };
}
