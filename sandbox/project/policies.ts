import type { Catalog } from '../bigquery/duckdb/catalog.ts';
import type { Jobs } from '../cloud-run/jobs.ts';
import { GoogleError } from '../errors/google-error.ts';
import { DATASET, KEY, RUN_JOB } from '../http/paths.ts';
import { type Call, type Json, objectOr, type Route, readJson, required } from '../http/router.ts';
import type { Binding, Policy } from '../iam/policy.ts';
import { bucketName, cloudRunJobName, projectName, routineName, tableName } from '../iam/resources.ts';
import { isKnown } from '../iam/roles.ts';
import type { Keys } from '../kms/keys.ts';
import type { Store } from '../storage/store.ts';
import type { Project } from './project.ts';

/** Where a policy stands: how it is read and written, and the resource, which has to be there. */
interface Subject {
  readonly read: Pick<Route, 'method' | 'path'>;
  readonly write: Pick<Route, 'method' | 'path'>;
  /** Its full name. @throws GoogleError NOT_FOUND */
  resource(params: Call['params']): string;
}

const subject = (path: string, read: 'GET' | 'POST', resource: Subject['resource']): Subject => ({
  read: { method: read, path: `${path}:getIamPolicy` },
  write: { method: 'POST', path: `${path}:setIamPolicy` },
  resource,
});

/** What policies are kept for. */
export interface PolicyHomes {
  readonly policy: Policy;
  readonly project: Project;
  readonly catalog: Catalog;
  readonly keys: Keys;
  readonly store: Store;
  readonly cloudRunJobs: Jobs;
}

const subjects = ({ policy, project, catalog, keys, store, cloudRunJobs }: PolicyHomes): Subject[] => [
  subject('/v1/projects/{project}', 'POST', (given) => projectName(given.project ?? '')),
  subject('/v1/projects/{project}/serviceAccounts/{account}', 'POST', (given) => {
    const name = `projects/${given.project}/serviceAccounts/${given.account}`;
    // The accounts of a deployment under mocks are nowhere but in bindings.
    if (!policy.bindings.some(({ resource }) => resource === name)) project.find(name);
    return name;
  }),
  subject(`${DATASET}/tables/{table}`, 'POST', ({ dataset = '', table = '' }) => {
    catalog.table(dataset, table);
    return tableName(catalog.project, dataset, table);
  }),
  subject(`${DATASET}/routines/{routine}`, 'POST', ({ dataset = '', routine = '' }) => {
    catalog.routine(dataset, routine);
    return routineName(catalog.project, dataset, routine);
  }),
  subject(KEY, 'GET', ({ project: home, location, ring, key }) => {
    const name = `projects/${home}/locations/${location}/keyRings/${ring}/cryptoKeys/${key}`;
    keys.key(name);
    return name;
  }),
  subject(
    RUN_JOB,
    'GET',
    ({ project: home = '', location = '', job = '' }) =>
      cloudRunJobs.get(cloudRunJobName(home, location, job)).name,
  ),
  {
    read: { method: 'GET', path: '/storage/v1/b/{bucket}/iam' },
    write: { method: 'PUT', path: '/storage/v1/b/{bucket}/iam' },
    resource: ({ bucket = '' }) => {
      store.bucket(bucket);
      return bucketName(catalog.project, bucket);
    },
  },
];

/** getIamPolicy and setIamPolicy: https://cloud.google.com/iam/docs/granting-changing-revoking-access */
export function policyRoutes(homes: PolicyHomes): Route[] {
  const { policy, project, catalog } = homes;
  const shown = (resource: string): Json => ({
    version: 1,
    bindings: policy.bindings
      .filter((one) => one.resource === resource)
      .map(({ role, member }) => ({ role, members: [member] })),
  });
  const bindingsOf = (given: Json, resource: string): Binding[] =>
    (Array.isArray(given.bindings) ? given.bindings : []).flatMap((one) => {
      const { role, members } = objectOr(one);
      const name = required(role, 'role');
      if (!isKnown(name))
        throw new GoogleError('INVALID_ARGUMENT', `Role ${name} is not supported for this resource.`);
      return (Array.isArray(members) ? members.map(String) : []).map((member) => {
        project.member(member, catalog.project);
        return { member, role: name, resource };
      });
    });
  return subjects(homes).flatMap(({ read, write, resource }): Route[] => [
    { ...read, handle: ({ params }) => shown(resource(params)) },
    {
      ...write,
      handle: async (call) => {
        const name = resource(call.params);
        const body = await readJson(call);
        const own = bindingsOf(write.method === 'PUT' ? body : objectOr(body.policy), name);
        policy.replace([...policy.bindings.filter((one) => one.resource !== name), ...own]);
        return shown(name);
      },
    },
  ]);
}
