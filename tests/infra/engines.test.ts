import { expect, it } from 'vitest';
import { parseDeployment } from '../../jobs/contract/deployment.ts';
import { bindings } from '../support/pulumi/inventory.ts';
import { configOf, type Program, runProgram } from '../support/pulumi/program.ts';

/** What a stack is made of where nothing runs in a batch. */
const WITHOUT_BATCHES = [
  'gcp:bigquery/dataset:Dataset dataset',
  'gcp:bigquery/dataset:Dataset read-dataset',
  'gcp:bigquery/routine:Routine read-procedure',
  ...['dataKeys', 'keysets', 'rejected', 'runs', 'shredded', 'source', 'staging'].map(
    (name) => `gcp:bigquery/table:Table ${name}`,
  ),
  'gcp:kms/cryptoKey:CryptoKey bigquery',
  'gcp:kms/cryptoKey:CryptoKey source',
  'gcp:kms/keyRing:KeyRing ring',
  ...['bigquery', 'cloudkms', 'cloudresourcemanager', 'iam', 'storage'].map(
    (name) => `gcp:projects/service:Service ${name}`,
  ),
  'gcp:storage/bucket:Bucket bucket',
];

const custom = ({ resources }: Program): string[] =>
  resources.filter((one) => one.custom).map(({ type, name }) => `${type} ${name}`);

it.each([[['direct']], [['bigquery']], [['direct', 'bigquery']]])(
  'a stack of %j has nothing that only batches and what starts them need',
  async (engines) => {
    const program = await runProgram('dev', configOf('dev', { 'reseal:engines': engines }));
    expect(custom(program)).toEqual(WITHOUT_BATCHES);
    expect(bindings(program)).toEqual([]);
    expect(parseDeployment(program.outputs)).toMatchObject({
      engines,
      workflow: null,
      batch: { serviceAccount: null, subnetwork: null, application: null },
    });
  },
);

it('its readers and its key at rest are granted what they are in every stack', async () => {
  const config = configOf('prod', {
    'reseal:engines': ['bigquery'],
    'reseal:schedule': { paused: true },
    'reseal:readers': 'analysts@example.com',
    'reseal:storePlaintext': true,
    'reseal:columnPolicyTag': 'projects/p/locations/us-central1/taxonomies/1/policyTags/2',
  });
  const granted = bindings(await runProgram('prod', config)).map(({ member }) => member.split(/[@ ]/)[0]);
  expect(new Set(granted)).toEqual(
    new Set(['group:analysts', 'routine', 'views', 'serviceAccount:service-1', 'serviceAccount:bq-1']),
  );
});

it('a stack that names an account and a subnetwork for batches makes use of them for batches alone', async () => {
  const config = configOf('dev', {
    'reseal:engines': ['direct'],
    'reseal:serviceAccount': 'batches@app.iam.gserviceaccount.com',
    'reseal:subnetwork': 'default',
  });
  const program = await runProgram('dev', config);
  expect(bindings(program)).toEqual([]);
  expect(parseDeployment(program.outputs).batch).toMatchObject({ serviceAccount: null, subnetwork: null });
});
