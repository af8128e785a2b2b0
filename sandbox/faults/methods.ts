import {
  BIGQUERY,
  DATASET,
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

/**
 * Google's methods by the routes that serve them: the last two parts of the id that the service's discovery document
 * gives them (https://developers.google.com/discovery/v1/reference).
 */
const METHODS = {
  bigquery: {
    'jobs.insert': [`POST ${BIGQUERY}/jobs`, `POST /upload${BIGQUERY}/jobs`, `PUT /upload${BIGQUERY}/jobs`],
    'jobs.query': [`POST ${BIGQUERY}/queries`],
    'jobs.list': [`GET ${BIGQUERY}/jobs`],
    'jobs.get': [`GET ${BIGQUERY}/jobs/{job}`],
    'jobs.cancel': [`POST ${BIGQUERY}/jobs/{job}/cancel`],
    'jobs.getQueryResults': [`GET ${BIGQUERY}/queries/{job}`],
    'tabledata.list': [`GET ${DATASET}/tables/{table}/data`],
    'tabledata.insertAll': [`POST ${DATASET}/tables/{table}/insertAll`],
    'datasets.list': [`GET ${BIGQUERY}/datasets`],
    'datasets.insert': [`POST ${BIGQUERY}/datasets`],
    'datasets.get': [`GET ${DATASET}`],
    'datasets.patch': [`PATCH ${DATASET}`],
    'datasets.update': [`PUT ${DATASET}`],
    'datasets.delete': [`DELETE ${DATASET}`],
    'tables.list': [`GET ${DATASET}/tables`],
    'tables.insert': [`POST ${DATASET}/tables`],
    'tables.get': [`GET ${DATASET}/tables/{table}`],
    'tables.patch': [`PATCH ${DATASET}/tables/{table}`],
    'tables.update': [`PUT ${DATASET}/tables/{table}`],
    'tables.delete': [`DELETE ${DATASET}/tables/{table}`],
    'tables.testIamPermissions': [`POST ${DATASET}/tables/{table}:testIamPermissions`],
    'routines.list': [`GET ${DATASET}/routines`],
    'routines.insert': [`POST ${DATASET}/routines`],
    'routines.get': [`GET ${DATASET}/routines/{routine}`],
    'routines.update': [`PUT ${DATASET}/routines/{routine}`],
    'routines.delete': [`DELETE ${DATASET}/routines/{routine}`],
  },
  /** The one service that has gRPC alone: the methods' own names, with no route. */
  bigquerystorage: { CreateReadSession: [], ReadRows: [] },
  kms: {
    'keyRings.list': [`GET ${LOCATION}/keyRings`],
    'keyRings.create': [`POST ${LOCATION}/keyRings`],
    'keyRings.get': [`GET ${RING}`],
    'cryptoKeys.list': [`GET ${RING}/cryptoKeys`],
    'cryptoKeys.create': [`POST ${RING}/cryptoKeys`],
    'cryptoKeys.get': [`GET ${KEY}`],
    'cryptoKeys.patch': [`PATCH ${KEY}`],
    'cryptoKeys.updatePrimaryVersion': [`POST ${KEY}:updatePrimaryVersion`],
    'cryptoKeys.encrypt': [`POST ${KEY}:encrypt`],
    'cryptoKeys.decrypt': [`POST ${KEY}:decrypt`],
    'cryptoKeys.testIamPermissions': [`POST ${KEY}:testIamPermissions`],
    'cryptoKeyVersions.list': [`GET ${KEY}/cryptoKeyVersions`],
    'cryptoKeyVersions.create': [`POST ${KEY}/cryptoKeyVersions`],
    'cryptoKeyVersions.get': [`GET ${VERSION}`],
    'cryptoKeyVersions.patch': [`PATCH ${VERSION}`],
    'cryptoKeyVersions.destroy': [`POST ${VERSION}:destroy`],
    'cryptoKeyVersions.restore': [`POST ${VERSION}:restore`],
  },
  storage: {
    'buckets.list': ['GET /storage/v1/b'],
    'buckets.insert': ['POST /storage/v1/b'],
    'buckets.get': ['GET /storage/v1/b/{bucket}'],
    'buckets.delete': ['DELETE /storage/v1/b/{bucket}'],
    'buckets.testIamPermissions': ['GET /storage/v1/b/{bucket}/iam/testPermissions'],
    'objects.list': ['GET /storage/v1/b/{bucket}/o'],
    'objects.get': [`GET ${OBJECT}`, `GET /download${OBJECT}`],
    'objects.delete': [`DELETE ${OBJECT}`],
    'objects.insert': ['POST /upload/storage/v1/b/{bucket}/o', 'PUT /upload/storage/v1/b/{bucket}/o'],
    'objects.rewrite': [`POST ${OBJECT}/rewriteTo/b/{toBucket}/o/{toObject+}`],
  },
  dataproc: {
    'batches.list': [`GET ${LOCATION}/batches`],
    'batches.create': [`POST ${LOCATION}/batches`],
    'batches.get': [`GET ${LOCATION}/batches/{batch}`],
    'batches.delete': [`DELETE ${LOCATION}/batches/{batch}`],
    'operations.get': [`GET ${OPERATION}`],
    'operations.cancel': [`POST ${OPERATION}:cancel`],
  },
  run: {
    'jobs.create': [`POST ${RUN}/jobs`],
    'jobs.get': [`GET ${RUN_JOB}`],
    'jobs.patch': [`PATCH ${RUN_JOB}`],
    'jobs.delete': [`DELETE ${RUN_JOB}`],
    'jobs.run': [`POST ${RUN_JOB}:run`],
    'jobs.testIamPermissions': [`POST ${RUN_JOB}:testIamPermissions`],
    'executions.list': [`GET ${RUN_JOB}/executions`],
    'executions.get': [`GET ${RUN_EXECUTION}`],
    'executions.cancel': [`POST ${RUN_EXECUTION}:cancel`],
    'operations.get': [`GET ${RUN_OPERATION}`],
  },
  serviceusage: {
    'services.batchGet': ['GET /v1/{kind}/{project}/services:batchGet'],
    'consumerQuotaMetrics.list': ['GET /v1beta1/{kind}/{project}/services/{service}/consumerQuotaMetrics'],
    'consumerQuotaMetrics.get': [
      'GET /v1beta1/{kind}/{project}/services/{service}/consumerQuotaMetrics/{metric}',
    ],
  },
  iam: {
    'serviceAccounts.testIamPermissions': [
      'POST /v1/projects/{project}/serviceAccounts/{email}:testIamPermissions',
    ],
  },
  cloudresourcemanager: { 'projects.testIamPermissions': ['POST /v1/projects/{project}:testIamPermissions'] },
} as const satisfies Record<string, Record<string, readonly string[]>>;

export type Service = keyof typeof METHODS;
export const SERVICES = Object.keys(METHODS) as [Service, ...Service[]];
export const METHOD_NAMES = Object.fromEntries(
  SERVICES.map((service) => [service, Object.keys(METHODS[service])]),
) as Record<Service, string[]>;

/** A method of Google's. */
export interface MethodName {
  readonly service: Service;
  readonly method: string;
}

const BY_ROUTE = new Map<string, MethodName>(
  SERVICES.flatMap((service) =>
    Object.entries<readonly string[]>(METHODS[service]).flatMap(([method, routes]) =>
      routes.map((route): [string, MethodName] => [route, { service, method }]),
    ),
  ),
);

/** What Google calls the method that a route serves; undefined for the sandbox's own routes. */
export const methodOf = ({ method, path }: { method: string; path: string }): MethodName | undefined =>
  BY_ROUTE.get(`${method} ${path}`);
