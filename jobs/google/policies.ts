import type { GrantResource } from '../contract/job-user.ts';
import { authorised, type Endpoints } from './clients.ts';

/** Which members have which roles on a resource itself, by `member role`. Throws the client library's error. */
export type Policies = (resource: GrantResource) => Promise<ReadonlySet<string>>;

interface Policy {
  readonly bindings?: readonly { readonly role?: string; readonly members?: readonly string[] }[];
}
interface Dataset {
  readonly access?: readonly {
    readonly role?: string;
    readonly userByEmail?: string;
    readonly groupByEmail?: string;
    readonly iamMember?: string;
  }[];
}

/**
 * A dataset has an access list in place of a policy, which shows three predefined roles under older names.
 * https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets#Dataset.FIELDS.access
 */
const DATASET_ROLES: Readonly<Record<string, string>> = {
  READER: 'roles/bigquery.dataViewer',
  WRITER: 'roles/bigquery.dataEditor',
  OWNER: 'roles/bigquery.dataOwner',
};

/** The entry of a member and its role. */
export const entry = (member: string, role: string): string => `${member} ${role}`;

/** Reads the policies of resources. https://cloud.google.com/iam/docs/granting-changing-revoking-access */
export async function policies(endpoints?: Endpoints): Promise<Policies> {
  const { origins, auth } = await authorised(endpoints);

  async function policy(method: 'GET' | 'POST', url: string): Promise<ReadonlySet<string>> {
    const body = method === 'POST' ? { data: {} } : {};
    const { data } = await auth.request<Policy>({ url, method, ...body });
    const { bindings = [] } = data;
    return new Set(
      bindings.flatMap(({ role = '', members = [] }) => members.map((member) => entry(member, role))),
    );
  }

  async function accessList(url: string): Promise<ReadonlySet<string>> {
    const { data } = await auth.request<Dataset>({ url });
    const { access = [] } = data;
    return new Set(
      access.flatMap(({ role = '', userByEmail: user, groupByEmail: group, iamMember }) => {
        const named = DATASET_ROLES[role] ?? role;
        const members = [
          // A service account is a user to BigQuery.
          ...(user === undefined ? [] : [`user:${user}`, `serviceAccount:${user}`]),
          ...(group === undefined ? [] : [`group:${group}`]),
          ...(iamMember === undefined ? [] : [iamMember]),
        ];
        return members.map((member) => entry(member, named));
      }),
    );
  }

  return async (on) => {
    switch (on.kind) {
      case 'project':
        return policy('POST', `${origins.resourceManager}/v1/projects/${on.project}:getIamPolicy`);
      case 'dataset':
        return accessList(`${origins.bigquery}/bigquery/v2/projects/${on.project}/datasets/${on.dataset}`);
      case 'table': {
        const name = `projects/${on.project}/datasets/${on.dataset}/tables/${on.table}`;
        return policy('POST', `${origins.bigquery}/bigquery/v2/${name}:getIamPolicy`);
      }
      case 'key':
        return policy('GET', `${origins.kms}/v1/${on.name}:getIamPolicy`);
      case 'cloud run job':
        return policy('GET', `${origins.run}/v2/${on.name}:getIamPolicy`);
      case 'bucket':
        return policy('GET', `${origins.storage}/storage/v1/b/${on.bucket}/iam`);
      case 'account': {
        const home = /@([^.]+)\.iam\.gserviceaccount\.com$/.exec(on.email)?.[1] ?? '-';
        return policy('POST', `${origins.iam}/v1/projects/${home}/serviceAccounts/${on.email}:getIamPolicy`);
      }
    }
  };
}
