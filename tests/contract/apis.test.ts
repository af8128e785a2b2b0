import { expect, it } from 'vitest';
import { apisOf } from '../../jobs/contract/apis.ts';
import { carriersOf } from '../../jobs/contract/carriers.ts';
import type { EngineName } from '../../jobs/contract/settings/choices.ts';

const ALWAYS = ['bigquery', 'cloudkms', 'iam', 'storage'];
const WORKFLOW = ['cloudscheduler', 'logging', 'monitoring', 'workflowexecutions', 'workflows'];
const BATCHES = ['bigquerystorage', 'compute', 'dataproc'];

it.each<{ engines: EngineName[]; jarFile: string | null; apis: string[] }>([
  { engines: ['direct'], jarFile: null, apis: ALWAYS },
  { engines: ['direct', 'bigquery'], jarFile: null, apis: [...ALWAYS, ...WORKFLOW, 'run'] },
  { engines: ['dataproc'], jarFile: null, apis: [...ALWAYS, ...WORKFLOW, ...BATCHES] },
  { engines: ['dataproc', 'bigquery'], jarFile: null, apis: [...ALWAYS, ...WORKFLOW, ...BATCHES, 'run'] },
  { engines: ['dataproc', 'bigquery'], jarFile: 'gs://a/a.jar', apis: [...ALWAYS, ...WORKFLOW, ...BATCHES] },
])('$engines with the jar $jarFile use $apis', ({ engines, jarFile, apis }) => {
  expect([...apisOf(carriersOf({ engines, jarFile }))].sort()).toEqual(apis.sort());
});
