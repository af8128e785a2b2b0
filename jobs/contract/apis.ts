import type { Carriers } from './carriers.ts';

/** What every stack uses, by the first part of the name that Service Usage knows an API by. */
const ALWAYS = ['bigquery', 'cloudkms', 'iam', 'storage'];

/** What a batch needs. */
const FOR_BATCHES = ['bigquerystorage', 'compute', 'dataproc'];

/** What the job of Cloud Run needs. */
const FOR_JOB = ['run'];

/** What the workflow that starts either needs, what starts it and what watches it. */
const FOR_WORKFLOW = ['cloudscheduler', 'logging', 'monitoring', 'workflowexecutions', 'workflows'];

/** A project's APIs are turned on through this one. */
export const FIRST_API = 'cloudresourcemanager';

/**
 * The Google APIs that a stack uses beside the first one: the program turns them on, and `reseal doctor` looks whether
 * they still are.
 *
 * @example
 * apisOf({ batches: false, job: false }); // ['bigquery', 'cloudkms', 'iam', 'storage']
 */
export const apisOf = ({ batches, job }: Carriers): readonly string[] => [
  ...ALWAYS,
  ...(batches ? FOR_BATCHES : []),
  ...(job ? FOR_JOB : []),
  ...(batches || job ? FOR_WORKFLOW : []),
];
