import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Harness, harness, LOCATION, PROJECT } from '../../support/harness.ts';

/** Names of datasets and tables. */
let h: Harness;
beforeAll(async () => {
  h = await harness();
});
afterAll(() => h.close());

const DATASETS = `/bigquery/v2/projects/${PROJECT}/datasets`;
const table = (tableId: string) => ({
  tableReference: { projectId: PROJECT, datasetId: 'poc', tableId },
  schema: { fields: [{ name: 'id', type: 'INT64' }] },
});
const dataset = (datasetId: string) => ({ datasetReference: { datasetId }, location: LOCATION });

it.each([
  ['table', `${DATASETS}/poc/tables`, table('orders'), table('Orders')],
  ['dataset', DATASETS, dataset('sales'), dataset('SALES')],
])(
  'a second %s whose name differs in case alone is what the sandbox lacks',
  async (_what, path, one, other) => {
    expect((await h.rest('POST', path, one)).status).toBe(200);
    expect((await h.rest('POST', path, one)).status).toBe(409);
    const { status, body } = await h.rest('POST', path, other);
    expect(status).toBe(501);
    expect(body.error.message).toContain('differ in case alone');
  },
);
