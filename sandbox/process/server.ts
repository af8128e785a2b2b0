import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { jobRoutes } from '../bigquery/api/job-routes.ts';
import { Jobs } from '../bigquery/api/jobs.ts';
import { resourceRoutes } from '../bigquery/api/resource-routes.ts';
import { Catalog } from '../bigquery/duckdb/catalog.ts';
import { Engine } from '../bigquery/duckdb/engine.ts';
import { Keysets } from '../bigquery/duckdb/keysets.ts';
import { Batches } from '../dataproc/batches.ts';
import { dataprocRoutes } from '../dataproc/routes.ts';
import { batchRunner, driverOutput } from '../dataproc/runner.ts';
import { text } from '../http/router.ts';
import { listen } from '../http/serve.ts';
import { Uploads } from '../http/upload.ts';
import { iamControlRoutes } from '../iam/control.ts';
import { Iam, projectRoutes } from '../iam/iam.ts';
import { routineName } from '../iam/resources.ts';
import { Keys } from '../kms/keys.ts';
import { kmsRoutes } from '../kms/routes.ts';
import { Traffic } from '../kms/traffic.ts';
import { storageRoutes } from '../storage/routes.ts';
import { Store } from '../storage/store.ts';
import { controlRoutes } from './control.ts';

export interface ServerOptions {
  /** The folder of keys, tables and objects; made if it is not there. */
  state: string;
  /** 0 or nothing: a free one. */
  port?: number;
  /** The project that names in messages carry; a path's own project is not looked at. */
  project?: string;
}

/** One origin serves every service: Google's paths do not overlap. */
export interface Server {
  origin: string;
  /** Who may do what in it. */
  iam: Iam;
  /** The project whose name stands in messages and references from now on. */
  rename(project: string): void;
  close(): Promise<void>;
}

/** Region of a query when neither it nor a dataset has one. */
const DEFAULT_LOCATION = 'us-central1';

/** Serves Cloud KMS, BigQuery, Cloud Storage and Dataproc on loopback until closed. */
export async function startServer({ state, port = 0, project = 'sandbox' }: ServerOptions): Promise<Server> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  const keys = new Keys(state);
  const traffic = new Traffic();
  const store = new Store(state);
  const uploads = new Uploads(join(state, 'uploads'));
  await uploads.clear();
  let named = project;
  const iam = new Iam(state, () => named);
  const keysets = new Keysets(keys, traffic);
  const engine = await Engine.open(state, keysets);
  const catalog = await Catalog.open(engine, project);
  // https://cloud.google.com/bigquery/docs/authorized-routines: a changed routine must be authorised again.
  catalog.onRoutineChange = (dataset, id) =>
    iam.policy.removeMember(`routine:${routineName(catalog.project, dataset, id)}`);
  const services = { engine, catalog, keysets };
  const location = (): string => text(catalog.datasets[0]?.body.location) ?? DEFAULT_LOCATION;
  const jobs = await Jobs.open(services, store, location);
  let origin = '';
  const runner = batchRunner(services, store, { state, origin: () => origin, iam });
  const batches = new Batches(state, runner, (batch) => driverOutput(store, batch));
  const routes = [
    ...dataprocRoutes(batches),
    ...kmsRoutes(keys, traffic),
    ...jobRoutes(services, jobs, uploads),
    ...resourceRoutes(services),
    ...storageRoutes(store, uploads),
    ...projectRoutes(),
    ...controlRoutes(keys, traffic, batches),
    ...iamControlRoutes(iam),
  ];
  iam.covers(routes);
  const listener = await listen(routes, iam.admit, port);
  origin = listener.origin;
  return {
    origin,
    iam,
    rename(name) {
      named = name;
      catalog.project = name;
    },
    async close() {
      await batches.close();
      await listener.close();
      await jobs.close();
      await engine.close();
      await uploads.clear();
    },
  };
}
