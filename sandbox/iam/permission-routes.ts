import { KEY, RUN_JOB, TABLE } from '../http/paths.ts';
import { type Call, type Json, type Route, readJson } from '../http/router.ts';
import { bucketName, cloudRunJobName, projectName, serviceAccountName, tableName } from './resources.ts';

type Name = (params: Call['params'], project: string) => string;

/** The permissions of a list that the caller has on a resource: an answer without any has no property. */
function held({ caller }: Call, resource: string, asked: readonly string[]): Json {
  const permissions = asked.filter((permission) => caller.may(permission, resource));
  return permissions.length === 0 ? {} : { permissions };
}

/** testIamPermissions as most services have it: the list is posted. */
const posted = (path: string, name: Name, project: () => string): Route => ({
  method: 'POST',
  path,
  handle: async (call) => {
    const { permissions } = await readJson(call);
    const asked = Array.isArray(permissions) ? permissions.map(String) : [];
    return held(call, name(call.params, project()), asked);
  },
});

/**
 * What a caller may do, asked by itself: https://cloud.google.com/iam/docs/testing-permissions
 * `project` is the sandbox's own, into which the paths of BigQuery and Cloud Storage fold.
 */
export const permissionRoutes = (project: () => string): Route[] => [
  posted('/v1/projects/{project}:testIamPermissions', (params) => projectName(params.project ?? ''), project),
  posted(
    `${TABLE}:testIamPermissions`,
    ({ dataset = '', table = '' }, own) => tableName(own, dataset, table),
    project,
  ),
  posted(
    `${KEY}:testIamPermissions`,
    ({ project: named, location, ring, key }) =>
      `projects/${named}/locations/${location}/keyRings/${ring}/cryptoKeys/${key}`,
    project,
  ),
  posted(
    `${RUN_JOB}:testIamPermissions`,
    ({ project: named = '', location = '', job = '' }) => cloudRunJobName(named, location, job),
    project,
  ),
  posted(
    '/v1/projects/{project}/serviceAccounts/{email}:testIamPermissions',
    ({ email = '' }, own) => serviceAccountName(own, email),
    project,
  ),
  {
    method: 'GET',
    path: '/storage/v1/b/{bucket}/iam/testPermissions',
    handle: (call) =>
      held(call, bucketName(project(), call.params.bucket ?? ''), call.query.getAll('permissions')),
  },
];
