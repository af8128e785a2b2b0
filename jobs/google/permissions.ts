import type { GrantResource } from '../contract/job-user.ts';
import { authorised, type Endpoints } from './clients.ts';

/** BigQuery's datasets have no such method. */
export type Askable = Exclude<GrantResource, { readonly kind: 'dataset' }>;

/** Which of some permissions the caller has on a resource. Throws the client library's error. */
export type Held = (resource: Askable, permissions: readonly string[]) => Promise<ReadonlySet<string>>;

/**
 * Asks Google which permissions the caller has. Each service has the same method, testIamPermissions, which needs no
 * permission itself: https://cloud.google.com/iam/docs/testing-permissions
 */
export async function heldPermissions(endpoints?: Endpoints): Promise<Held> {
  const { origins, auth } = await authorised(endpoints);

  async function post(url: string, permissions: readonly string[]): Promise<readonly string[]> {
    const request = { url, method: 'POST' as const, data: { permissions } };
    const { data } = await auth.request<{ permissions?: string[] }>(request);
    return data.permissions ?? [];
  }

  async function held(resource: Askable, permissions: readonly string[]): Promise<readonly string[]> {
    switch (resource.kind) {
      case 'project':
        return post(
          `${origins.resourceManager}/v1/projects/${resource.project}:testIamPermissions`,
          permissions,
        );
      case 'table': {
        const { project, dataset, table } = resource;
        const name = `projects/${project}/datasets/${dataset}/tables/${table}`;
        return post(`${origins.bigquery}/bigquery/v2/${name}:testIamPermissions`, permissions);
      }
      case 'key':
        return post(`${origins.kms}/v1/${resource.name}:testIamPermissions`, permissions);
      case 'cloud run job':
        return post(`${origins.run}/v2/${resource.name}:testIamPermissions`, permissions);
      case 'account': {
        const name = `projects/-/serviceAccounts/${resource.email}`;
        return post(`${origins.iam}/v1/${name}:testIamPermissions`, permissions);
      }
      case 'bucket': {
        // https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions
        const asked = new URLSearchParams(
          permissions.map((permission): [string, string] => ['permissions', permission]),
        );
        const url = `${origins.storage}/storage/v1/b/${resource.bucket}/iam/testPermissions?${asked}`;
        const { data } = await auth.request<{ permissions?: string[] }>({ url });
        return data.permissions ?? [];
      }
    }
  }

  return async (resource, permissions) => new Set(await held(resource, permissions));
}
