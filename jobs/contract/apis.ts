/** What every stack uses, by the first part of the name that Service Usage knows an API by. */
const ALWAYS = ['bigquery', 'cloudkms', 'iam', 'storage'];

/** What a batch and the workflow that starts it need. */
const FOR_BATCHES = [
  'bigquerystorage',
  'cloudscheduler',
  'compute',
  'dataproc',
  'logging',
  'monitoring',
  'workflowexecutions',
  'workflows',
];

/** A project's APIs are turned on through this one. */
export const FIRST_API = 'cloudresourcemanager';

/**
 * The Google APIs that a stack uses beside the first one: the program turns them on, and `reseal doctor` looks whether
 * they still are.
 *
 * @example
 * apisOf({ batches: false }); // ['bigquery', 'cloudkms', 'iam', 'storage']
 */
export const apisOf = ({ batches }: { readonly batches: boolean }): readonly string[] =>
  batches ? [...ALWAYS, ...FOR_BATCHES] : ALWAYS;
