import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bigQueryClient } from '../../jobs/google/clients.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({}, 'direct');
});
afterAll(() => box.close());

interface Made {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

it('both datasets can be destroyed after a run, and the one of the tables never with what others put there', async () => {
  const made = JSON.parse(readFileSync(join(box.state, 'inventory.json'), 'utf8')) as Made[];
  const inputsOf = (type: string) =>
    made.filter((one) => one.type === `gcp:bigquery/${type}`).map(({ inputs }) => inputs);
  const client = await bigQueryClient({ project: box.deployment.project }, box.sandbox.owner);
  await box.run();

  // As the provider does it, and in the engine's order: what is in a dataset goes before it.
  for (const { datasetId, routineId } of inputsOf('routine:Routine'))
    await client.dataset(String(datasetId)).routine(String(routineId)).delete();
  for (const { datasetId, tableId } of inputsOf('table:Table'))
    await client.dataset(String(datasetId)).table(String(tableId)).delete();
  const withContents: unknown[] = [];
  for (const { datasetId, deleteContentsOnDestroy } of inputsOf('dataset:Dataset')) {
    await client.dataset(String(datasetId)).delete({ force: deleteContentsOnDestroy === true });
    if (deleteContentsOnDestroy === true) withContents.push(datasetId);
  }
  expect(withContents).toEqual([box.deployment.readDataset]);
});
