import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { jobRoutes } from '../bigquery/api/job-routes.ts';
import { Jobs } from '../bigquery/api/jobs.ts';
import { resourceRoutes } from '../bigquery/api/resource-routes.ts';
import { streamingControlRoutes } from '../bigquery/api/streaming-routes.ts';
import { Catalog } from '../bigquery/duckdb/catalog.ts';
import { Engine } from '../bigquery/duckdb/engine.ts';
import { Keysets } from '../bigquery/duckdb/keysets.ts';
import { storageReadRoutes } from '../bigquery/storage-read/routes.ts';
import type { StorageRead } from '../bigquery/storage-read/server.ts';
import { Executions } from '../cloud-run/executions.ts';
import { Jobs as CloudRunJobs } from '../cloud-run/jobs.ts';
import { cloudRunRoutes } from '../cloud-run/routes.ts';
import { Batches } from '../dataproc/batches.ts';
import { dataprocRoutes } from '../dataproc/routes.ts';
import { batchRunner, checkBatch, driverOutput } from '../dataproc/runner.ts';
import { underRules } from '../faults/calls.ts';
import { faultRoutes } from '../faults/control.ts';
import { methodOf } from '../faults/methods.ts';
import { Faults } from '../faults/plane.ts';
import { type Call, type Route, text } from '../http/router.ts';
import { type Admit, listen } from '../http/serve.ts';
import { Uploads } from '../http/upload.ts';
import { iamControlRoutes } from '../iam/control.ts';
import { Iam } from '../iam/iam.ts';
import { permissionRoutes } from '../iam/permission-routes.ts';
import { routineName } from '../iam/resources.ts';
import { Keys } from '../kms/keys.ts';
import { kmsRoutes } from '../kms/routes.ts';
import { Traffic } from '../kms/traffic.ts';
import { withKeyAtRest } from '../project/at-rest.ts';
import { policyRoutes } from '../project/policies.ts';
import { Project } from '../project/project.ts';
import { quotaRoutes } from '../project/quotas.ts';
import { projectResourceRoutes } from '../project/routes.ts';
import type { DataprocWork } from '../state/dataproc-work.ts';
import { RequestLog } from '../state/request-log.ts';
import { storageRoutes } from '../storage/routes.ts';
import { Store } from '../storage/store.ts';
import { controlRoutes } from './control.ts';
import { Guests } from './guests.ts';

export interface ServerOptions {
  /** The folder of keys, tables and objects; made if it is not there. */
  state: string;
  /** The port to listen on; a free one for 0 or undefined. */
  port?: number;
  /** The project that names in messages carry; a path's own project is not looked at. */
  project?: string;
  /** What does the work of Dataproc's batches; a local Spark unless said otherwise. */
  dataproc?: DataprocWork;
  /** A project as Google hands it over: no API is on, and keys for data at rest must be granted beforehand. */
  bare?: boolean;
  /** What a fault of kind `kill` ends; this process unless given. */
  kill?: () => void;
}

/** One origin serves every service: Google's paths do not overlap. */
export interface Server {
  origin: string;
  /** Who may do what in it. */
  iam: Iam;
  /** What goes wrong in it. */
  faults: Faults;
  /** The processes that have joined it. */
  guests: Guests;
  /** The project whose name stands in messages and references from now on. */
  rename(project: string): void;
  close(): Promise<void>;
}

/** Region of a query when neither it nor a dataset has one. */
const DEFAULT_LOCATION = 'us-central1';

/** Serves Cloud KMS, BigQuery, Cloud Storage, Dataproc and jobs of Cloud Run on loopback until closed. */
export async function startServer({
  state,
  port = 0,
  project = 'sandbox',
  dataproc = 'spark',
  bare = false,
  kill,
}: ServerOptions): Promise<Server> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  const keys = new Keys(state);
  const traffic = new Traffic();
  const faults = new Faults(kill);
  const log = new RequestLog(state);
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
  const backend = { engine, catalog, keysets };
  const location = (): string => text(catalog.datasets[0]?.body.location) ?? DEFAULT_LOCATION;
  const jobs = await Jobs.open(backend, store, location, faults);
  let origin = '';
  // Few runs need it, and loading it takes longer than everything else.
  let reading: Promise<StorageRead> | undefined;
  const storageRead = (): Promise<StorageRead> => {
    reading ??= import('../bigquery/storage-read/server.ts').then(({ serveStorageRead }) =>
      serveStorageRead(backend, state, iam.callerOf, faults, log),
    );
    return reading;
  };
  const place = { state, work: dataproc, origin: () => origin, storageRead, iam };
  const runner = batchRunner(backend, store, place);
  const batches = new Batches(state, runner, (batch) => driverOutput(store, batch), faults);
  const made = new Project(bare);
  const cloudRunJobs = new CloudRunJobs(state);
  const executions = new Executions({ state, origin: () => origin, iam, faults });
  const guests = new Guests();
  const resources = [...resourceRoutes(backend, iam.policy), ...storageRoutes(store, uploads)];
  const routes = [
    ...dataprocRoutes(batches, (body) => checkBatch(dataproc, body)),
    ...cloudRunRoutes(cloudRunJobs, executions, (member, home) => bare && made.member(member, home)),
    ...kmsRoutes(keys, traffic, faults),
    ...jobRoutes(backend, jobs, uploads),
    ...(bare ? withKeyAtRest(resources, keys, iam.policy) : resources),
    ...streamingControlRoutes(backend),
    ...storageReadRoutes(storageRead),
    ...permissionRoutes(() => named),
    ...projectResourceRoutes(made),
    ...quotaRoutes(),
    ...policyRoutes({ policy: iam.policy, project: made, catalog, keys, store, cloudRunJobs }),
    ...controlRoutes(keys, traffic),
    ...guests.routes(),
    ...faultRoutes(faults),
    ...iamControlRoutes(iam),
  ];
  iam.covers(routes);
  const carryOut = async (route: Route, call: Call) => {
    const method = methodOf(route);
    if (method === undefined) return route.handle(call);
    const denied = () => iam.denial(route, call);
    const passing = { ...method, member: call.caller.member, denied };
    const logged = { ...passing, resource: call.url.split('?', 1)[0] ?? '' };
    return log.logged(logged, () => underRules(faults, passing, () => route.handle(call)));
  };
  const admit: Admit = (route, call) => {
    made.apis.admit(route, call);
    return iam.admit(route, call);
  };
  const listener = await listen(routes, admit, port, carryOut);
  origin = listener.origin;
  return {
    origin,
    iam,
    faults,
    guests,
    rename(name) {
      named = name;
      catalog.project = name;
    },
    async close() {
      guests.close();
      await Promise.all([batches.close(), executions.close()]);
      await listener.close();
      await (await reading)?.close();
      await jobs.close();
      await engine.close();
      await uploads.clear();
      await log.close();
    },
  };
}
