import { expect } from 'vitest';
import type { TestSandbox } from './sandbox.ts';

/** Changes the source table's resource, as its owner: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/patch */
export async function patchSource({ deployment, sandbox }: TestSandbox, body: object): Promise<void> {
  const { project, dataset, tables } = deployment;
  const path = `/bigquery/v2/projects/${project}/datasets/${dataset}/tables/${tables.source}`;
  const headers = {
    authorization: `Bearer ${sandbox.owner.accessToken}`,
    'content-type': 'application/json',
  };
  const request = { method: 'PATCH', headers, body: JSON.stringify(body) };
  const answer = await fetch(`${sandbox.owner.bigquery}${path}`, request);
  expect(answer.status, await answer.text()).toBe(200);
}
