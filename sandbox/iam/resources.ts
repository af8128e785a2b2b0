import type { Resource } from '../http/caller.ts';

/** The e-mail address of a member as bindings name it. */
export const emailOf = (member: string): string => member.slice(member.indexOf(':') + 1);

/** The words of Google's newer APIs: https://cloud.google.com/iam/docs/permission-error-messages */
const plain = (name: string): Resource => ({
  name,
  denied: (permission) => `Permission '${permission}' denied on resource '${name}' (or it may not exist).`,
});

/** The words of BigQuery: https://cloud.google.com/bigquery/docs/error-messages */
const bigquery = (kind: string, name: string, shown: string): Resource => ({
  name,
  denied: (permission) =>
    `Access Denied: ${kind} ${shown}: Permission ${permission} denied on ${kind.toLowerCase()} ${shown} (or it may not exist).`,
});

export const projectName = (project: string): string => `projects/${project}`;
export const datasetName = (project: string, dataset: string): string =>
  `${projectName(project)}/datasets/${dataset}`;
export const tableName = (project: string, dataset: string, table: string): string =>
  `${datasetName(project, dataset)}/tables/${table}`;
export const routineName = (project: string, dataset: string, routine: string): string =>
  `${datasetName(project, dataset)}/routines/${routine}`;
/** The views of a dataset, as a principal of the datasets that authorise it. */
export const viewsOf = (project: string, dataset: string): string => `views:${datasetName(project, dataset)}`;
/** Buckets belong to a project, though their names do not say so. */
export const bucketName = (project: string, bucket: string): string =>
  `${projectName(project)}/buckets/${bucket}`;
export const cloudRunJobName = (project: string, location: string, job: string): string =>
  `${projectName(project)}/locations/${location}/jobs/${job}`;
export const serviceAccountName = (project: string, email: string): string =>
  `${projectName(/@([^.]+)\.iam\.gserviceaccount\.com$/.exec(email)?.[1] ?? project)}/serviceAccounts/${email}`;

export const onProject = (project: string): Resource => plain(projectName(project));
export const onName = (name: string): Resource => plain(name);

export const onBigQueryProject = (project: string): Resource => ({
  name: projectName(project),
  denied: (permission) =>
    `Access Denied: Project ${project}: User does not have ${permission} permission in project ${project}.`,
});
export const onDataset = (project: string, dataset: string): Resource =>
  bigquery('Dataset', datasetName(project, dataset), `${project}:${dataset}`);
export const onTable = (project: string, dataset: string, table: string): Resource =>
  bigquery('Table', tableName(project, dataset, table), `${project}:${dataset}.${table}`);
export const onRoutine = (project: string, dataset: string, routine: string): Resource =>
  bigquery('Routine', routineName(project, dataset, routine), `${project}:${dataset}.${routine}`);

/** A policy tag, by the column that it guards: BigQuery's words name the permission by what it is for. */
export const onPolicyTag = (tag: string, dataset: string, table: string, column: string): Resource => {
  const [taxonomy = '', policyTag = ''] = tag.split('/').filter((_, at) => at === 5 || at === 7);
  return {
    name: tag,
    denied: () =>
      `Access Denied: BigQuery BigQuery: User has neither fine-grained reader nor masked get permission to get data protected by policy tag "${taxonomy} : ${policyTag}" on column ${dataset}.${table}.${column}.`,
  };
};

/** https://cloud.google.com/storage/docs/json_api/v1/status-codes#403-forbidden */
export const onBucket = (project: string, bucket: string): Resource => ({
  name: bucketName(project, bucket),
  denied: (permission, member) =>
    `${emailOf(member)} does not have ${permission} access to the Google Cloud Storage bucket ${bucket}. Permission '${permission}' denied on resource (or it may not exist).`,
});

export const onServiceAccount = (project: string, email: string): Resource => ({
  name: serviceAccountName(project, email),
  denied: (permission, member) =>
    `${emailOf(member)} may not act as service account '${email}'. Permission '${permission}' denied on resource '${serviceAccountName(project, email)}' (or it may not exist).`,
});
