import * as pulumi from '@pulumi/pulumi';
import { type Deployment, settled } from '../jobs/contract/deployment.ts';
import { batchSettings } from '../jobs/contract/settings/batch-settings.ts';
import { runSettings } from '../jobs/contract/settings/run-settings.ts';
import type { BatchApplication } from './application.ts';
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
  /** Undefined where nothing starts by itself. */
  identity: Identity | undefined;
  /** Undefined where nothing runs in a batch. */
  network: Network | undefined;
  /** Undefined without a bundle, or where a jar runs in its place. */
  application: BatchApplication | undefined;
}

/** A stack's outputs while they are being made: each is known once what it names exists. */
export type Outputs<T> = { [K in keyof T]: pulumi.Input<T[K]> };

/** What a run needs to know of a stack: its settings under their own names, and what they became. */
export function describe(parts: Parts): Outputs<Omit<Deployment, 'workflow' | 'cloudRunJob'>> {
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
