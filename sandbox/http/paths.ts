/** Templates of Google's paths, for routes and for the tables that go by them; `{…}` is a segment, `{…+}` the rest. */
export const BIGQUERY = '/bigquery/v2/projects/{project}';
export const DATASET = `${BIGQUERY}/datasets/{dataset}`;
export const TABLE = `${DATASET}/tables/{table}`;
export const ROUTINE = `${DATASET}/routines/{routine}`;
export const LOCATION = '/v1/projects/{project}/locations/{location}';
export const RING = `${LOCATION}/keyRings/{ring}`;
export const KEY = `${RING}/cryptoKeys/{key}`;
export const VERSION = `${KEY}/cryptoKeyVersions/{version}`;
export const OBJECT = '/storage/v1/b/{bucket}/o/{object+}';
export const OPERATION = '/v1/projects/{project}/regions/{location}/operations/{operation}';
export const EXECUTIONS = `${LOCATION}/workflows/{workflow}/executions`;
/** Cloud Run's, whose version is another than that of most. */
export const RUN = '/v2/projects/{project}/locations/{location}';
export const RUN_JOB = `${RUN}/jobs/{job}`;
export const RUN_EXECUTION = `${RUN_JOB}/executions/{execution}`;
export const RUN_OPERATION = `${RUN}/operations/{operation}`;
