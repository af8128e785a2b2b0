import type { Resource } from '../http/caller.ts';
import {
  BIGQUERY,
  DATASET,
  EXECUTIONS,
  KEY,
  LOCATION,
  OBJECT,
  OPERATION,
  RING,
  RUN,
  RUN_EXECUTION,
  RUN_JOB,
  RUN_OPERATION,
  VERSION,
} from '../http/paths.ts';
import type { Call } from '../http/router.ts';
import {
  cloudRunJobName,
  onBigQueryProject,
  onBucket,
  onDataset,
  onName,
  onProject,
  onRoutine,
  onTable,
} from './resources.ts';

type Params = Call['params'];
type Locate = (params: Params, project: string) => Resource;

/** What a method asks of its caller: every permission on its resource. */
export interface Demand {
  readonly permissions: readonly string[];
  readonly on: Locate;
}

const bigQueryProject: Locate = (_params, project) => onBigQueryProject(project);
const dataset: Locate = (params, project) => onDataset(project, params.dataset ?? '');
const table: Locate = (params, project) => onTable(project, params.dataset ?? '', params.table ?? '');
const routine: Locate = (params, project) => onRoutine(project, params.dataset ?? '', params.routine ?? '');
const bucket: Locate = (params, project) => onBucket(project, params.bucket ?? '');
const target: Locate = (params, project) => onBucket(project, params.toBucket ?? '');
const storageProject: Locate = (_params, project) => onProject(project);
const pathProject: Locate = (params) => onProject(params.project ?? '');
const location: Locate = (params) => onName(`projects/${params.project}/locations/${params.location}`);
const keyRing: Locate = (params) => onName(`${location(params, '').name}/keyRings/${params.ring}`);
const cryptoKey: Locate = (params) => onName(`${keyRing(params, '').name}/cryptoKeys/${params.key}`);
const workflow: Locate = (params) => onName(`${location(params, '').name}/workflows/${params.workflow}`);

const runJob: Locate = (params) =>
  onName(cloudRunJobName(params.project ?? '', params.location ?? '', params.job ?? ''));
const execution: Locate = (params) => onName(`${runJob(params, '').name}/executions/${params.execution}`);

const account: Locate = (params) => onName(`projects/${params.project}/serviceAccounts/${params.account}`);

const ask = (on: Locate, ...permissions: string[]): Demand[] => [{ permissions, on }];

/** The holder of an upload's address may go on with it; asking what one may do oneself needs nothing. */
const NOTHING: Demand[] = [];

/** The two methods of a policy. */
const policy = (read: string, path: string, on: Locate, kind: string): Record<string, Demand[]> => ({
  [`${read} ${path}:getIamPolicy`]: ask(on, `${kind}.getIamPolicy`),
  [`POST ${path}:setIamPolicy`]: ask(on, `${kind}.setIamPolicy`),
});

/**
 * Which method of Google's asks for which permission on which resource, by method and path template. From the
 * "IAM permissions" of each method's reference page, collected in https://github.com/iann0036/iam-dataset
 * (gcp/methods.json, 2026-08-22). What a job reads and changes is asked for by its statements and its load
 * (sandbox/bigquery/access.ts); a job is shown to who started it, else for `bigquery.jobs.get`.
 */
export const METHODS: Readonly<Record<string, readonly Demand[]>> = {
  [`POST ${BIGQUERY}/jobs`]: ask(bigQueryProject, 'bigquery.jobs.create'),
  [`POST /upload${BIGQUERY}/jobs`]: ask(bigQueryProject, 'bigquery.jobs.create'),
  [`PUT /upload${BIGQUERY}/jobs`]: NOTHING,
  [`POST ${BIGQUERY}/queries`]: ask(bigQueryProject, 'bigquery.jobs.create'),
  [`GET ${BIGQUERY}/jobs`]: ask(bigQueryProject, 'bigquery.jobs.create'),
  [`GET ${BIGQUERY}/jobs/{job}`]: NOTHING,
  [`POST ${BIGQUERY}/jobs/{job}/cancel`]: NOTHING,
  [`GET ${BIGQUERY}/queries/{job}`]: NOTHING,
  [`GET ${DATASET}/tables/{table}/data`]: ask(table, 'bigquery.tables.getData'),

  [`GET ${BIGQUERY}/datasets`]: NOTHING,
  [`POST ${BIGQUERY}/datasets`]: ask(bigQueryProject, 'bigquery.datasets.create'),
  [`GET ${DATASET}`]: ask(dataset, 'bigquery.datasets.get'),
  [`PATCH ${DATASET}`]: ask(dataset, 'bigquery.datasets.update', 'bigquery.datasets.get'),
  [`PUT ${DATASET}`]: ask(dataset, 'bigquery.datasets.update'),
  [`DELETE ${DATASET}`]: ask(dataset, 'bigquery.datasets.delete'),
  [`GET ${DATASET}/tables`]: ask(dataset, 'bigquery.tables.list'),
  [`POST ${DATASET}/tables`]: ask(dataset, 'bigquery.tables.create'),
  [`GET ${DATASET}/tables/{table}`]: ask(table, 'bigquery.tables.get'),
  [`POST ${DATASET}/tables/{table}/insertAll`]: ask(table, 'bigquery.tables.updateData'),
  [`PATCH ${DATASET}/tables/{table}`]: ask(table, 'bigquery.tables.update', 'bigquery.tables.get'),
  [`PUT ${DATASET}/tables/{table}`]: ask(table, 'bigquery.tables.update'),
  [`DELETE ${DATASET}/tables/{table}`]: ask(table, 'bigquery.tables.delete'),
  [`GET ${DATASET}/routines`]: ask(dataset, 'bigquery.routines.list'),
  [`POST ${DATASET}/routines`]: ask(dataset, 'bigquery.routines.create'),
  [`GET ${DATASET}/routines/{routine}`]: ask(routine, 'bigquery.routines.get'),
  [`PUT ${DATASET}/routines/{routine}`]: ask(routine, 'bigquery.routines.update'),
  [`DELETE ${DATASET}/routines/{routine}`]: ask(routine, 'bigquery.routines.delete'),

  [`GET ${LOCATION}/keyRings`]: ask(location, 'cloudkms.keyRings.list'),
  [`POST ${LOCATION}/keyRings`]: ask(location, 'cloudkms.keyRings.create'),
  [`GET ${RING}`]: ask(keyRing, 'cloudkms.keyRings.get'),
  [`GET ${RING}/cryptoKeys`]: ask(keyRing, 'cloudkms.cryptoKeys.list'),
  [`POST ${RING}/cryptoKeys`]: ask(keyRing, 'cloudkms.cryptoKeys.create'),
  [`GET ${KEY}`]: ask(cryptoKey, 'cloudkms.cryptoKeys.get'),
  [`PATCH ${KEY}`]: ask(cryptoKey, 'cloudkms.cryptoKeys.get', 'cloudkms.cryptoKeys.update'),
  [`POST ${KEY}:updatePrimaryVersion`]: ask(cryptoKey, 'cloudkms.cryptoKeys.update'),
  [`POST ${KEY}:encrypt`]: ask(cryptoKey, 'cloudkms.cryptoKeyVersions.useToEncrypt'),
  [`POST ${KEY}:decrypt`]: ask(cryptoKey, 'cloudkms.cryptoKeyVersions.useToDecrypt'),
  [`GET ${KEY}/cryptoKeyVersions`]: ask(cryptoKey, 'cloudkms.cryptoKeyVersions.list'),
  [`POST ${KEY}/cryptoKeyVersions`]: ask(cryptoKey, 'cloudkms.cryptoKeyVersions.create'),
  [`GET ${VERSION}`]: ask(cryptoKey, 'cloudkms.cryptoKeyVersions.get'),
  [`PATCH ${VERSION}`]: ask(cryptoKey, 'cloudkms.cryptoKeyVersions.update', 'cloudkms.cryptoKeyVersions.get'),
  [`POST ${VERSION}:destroy`]: ask(cryptoKey, 'cloudkms.cryptoKeyVersions.destroy'),
  [`POST ${VERSION}:restore`]: ask(cryptoKey, 'cloudkms.cryptoKeyVersions.restore'),

  'GET /storage/v1/b': ask(storageProject, 'storage.buckets.list'),
  'POST /storage/v1/b': ask(storageProject, 'storage.buckets.create'),
  'GET /storage/v1/b/{bucket}': ask(bucket, 'storage.buckets.get'),
  'DELETE /storage/v1/b/{bucket}': ask(bucket, 'storage.buckets.delete'),
  'GET /storage/v1/b/{bucket}/o': ask(bucket, 'storage.objects.list'),
  [`GET ${OBJECT}`]: ask(bucket, 'storage.objects.get'),
  [`GET /download${OBJECT}`]: ask(bucket, 'storage.objects.get'),
  [`DELETE ${OBJECT}`]: ask(bucket, 'storage.objects.delete'),
  // storage.objects.delete is asked for as well where an object of the name exists; who has one here has both.
  'POST /upload/storage/v1/b/{bucket}/o': ask(bucket, 'storage.objects.create'),
  'PUT /upload/storage/v1/b/{bucket}/o': NOTHING,
  [`POST ${OBJECT}/rewriteTo/b/{toBucket}/o/{toObject+}`]: [
    ...ask(bucket, 'storage.objects.get'),
    ...ask(target, 'storage.objects.create', 'storage.objects.delete'),
  ],

  [`GET ${LOCATION}/batches`]: ask(location, 'dataproc.batches.list'),
  // And iam.serviceAccounts.actAs on the account that the body names: sandbox/dataproc/routes.ts.
  [`POST ${LOCATION}/batches`]: ask(location, 'dataproc.batches.create'),
  [`GET ${LOCATION}/batches/{batch}`]: ask(location, 'dataproc.batches.get'),
  [`DELETE ${LOCATION}/batches/{batch}`]: ask(location, 'dataproc.batches.delete'),
  [`GET ${OPERATION}`]: ask(pathProject, 'dataproc.operations.get'),
  [`POST ${OPERATION}:cancel`]: ask(pathProject, 'dataproc.operations.cancel'),

  [`POST ${EXECUTIONS}`]: ask(workflow, 'workflows.executions.create'),
  [`GET ${EXECUTIONS}/{execution}`]: ask(workflow, 'workflows.executions.get'),
  [`POST ${EXECUTIONS}/{execution}:cancel`]: ask(workflow, 'workflows.executions.cancel'),

  // And iam.serviceAccounts.actAs on the account that the template names: sandbox/cloud-run/routes.ts.
  [`POST ${RUN}/jobs`]: ask(location, 'run.jobs.create'),
  [`GET ${RUN_JOB}`]: ask(runJob, 'run.jobs.get'),
  [`PATCH ${RUN_JOB}`]: ask(runJob, 'run.jobs.update'),
  [`DELETE ${RUN_JOB}`]: ask(runJob, 'run.jobs.delete'),
  // And run.jobs.runWithOverrides where the body has some.
  [`POST ${RUN_JOB}:run`]: ask(runJob, 'run.jobs.run'),
  [`GET ${RUN_JOB}/executions`]: ask(runJob, 'run.executions.list'),
  [`GET ${RUN_EXECUTION}`]: ask(execution, 'run.executions.get'),
  [`POST ${RUN_EXECUTION}:cancel`]: ask(execution, 'run.executions.cancel'),
  [`GET ${RUN_OPERATION}`]: ask(location, 'run.operations.get'),

  'POST /v1/projects/{project}:testIamPermissions': NOTHING,
  'POST /v1/projects/{project}/serviceAccounts/{email}:testIamPermissions': NOTHING,
  [`POST ${DATASET}/tables/{table}:testIamPermissions`]: NOTHING,
  [`POST ${KEY}:testIamPermissions`]: NOTHING,
  [`POST ${RUN_JOB}:testIamPermissions`]: NOTHING,
  'GET /storage/v1/b/{bucket}/iam/testPermissions': NOTHING,
  'GET /v1/projects/{project}': ask(pathProject, 'resourcemanager.projects.get'),
  'GET /v1/{kind}/{project}/services:batchGet': ask(pathProject, 'serviceusage.services.get'),
  'GET /v1beta1/{kind}/{project}/services/{service}/consumerQuotaMetrics': ask(
    pathProject,
    'serviceusage.quotas.get',
  ),
  'GET /v1beta1/{kind}/{project}/services/{service}/consumerQuotaMetrics/{metric}': ask(
    pathProject,
    'serviceusage.quotas.get',
  ),
  'POST /v1/{kind}/{project}/services/{service}:enable': ask(pathProject, 'serviceusage.services.enable'),
  'POST /v1/{kind}/{project}/services/{service}:disable': ask(pathProject, 'serviceusage.services.disable'),
  // Google's reference names no permission for it; whoever may enable the service may make its identity.
  'POST /v1beta1/{kind}/{project}/services/{service}:generateServiceIdentity': ask(
    pathProject,
    'serviceusage.services.enable',
  ),
  'POST /v1/projects/{project}/serviceAccounts': ask(pathProject, 'iam.serviceAccounts.create'),
  // And iam.serviceAccounts.actAs on the account that it runs as.
  [`POST ${LOCATION}/workflows`]: ask(location, 'workflows.workflows.create'),
  [`POST ${LOCATION}/jobs`]: ask(location, 'cloudscheduler.jobs.create'),
  'POST /v2/projects/{project}/metrics': ask(pathProject, 'logging.logMetrics.create'),
  'POST /v3/projects/{project}/alertPolicies': ask(pathProject, 'monitoring.alertPolicies.create'),
  'POST /v1/projects/{project}/dashboards': ask(pathProject, 'monitoring.dashboards.create'),
  'POST /compute/v1/projects/{project}/global/networks': ask(pathProject, 'compute.networks.create'),
  'POST /compute/v1/projects/{project}/regions/{region}/subnetworks': ask(
    pathProject,
    'compute.subnetworks.create',
  ),
  'POST /compute/v1/projects/{project}/global/firewalls': ask(pathProject, 'compute.firewalls.create'),
  ...policy('POST', '/v1/projects/{project}', pathProject, 'resourcemanager.projects'),
  ...policy('POST', '/v1/projects/{project}/serviceAccounts/{account}', account, 'iam.serviceAccounts'),
  ...policy('POST', `${DATASET}/tables/{table}`, table, 'bigquery.tables'),
  ...policy('POST', `${DATASET}/routines/{routine}`, routine, 'bigquery.routines'),
  ...policy('GET', KEY, cryptoKey, 'cloudkms.cryptoKeys'),
  ...policy('GET', RUN_JOB, runJob, 'run.jobs'),
  'GET /storage/v1/b/{bucket}/iam': ask(bucket, 'storage.buckets.getIamPolicy'),
  'PUT /storage/v1/b/{bucket}/iam': ask(bucket, 'storage.buckets.setIamPolicy'),
};
