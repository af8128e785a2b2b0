import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DEPLOYMENT_VARIABLE, jobCommand } from '../../jobs/contract/cloud-run.ts';
import { parseDeployment } from '../../jobs/contract/deployment.ts';
import { bindings } from '../support/pulumi/inventory.ts';
import { configOf, type Program, type Recorded, runProgram } from '../support/pulumi/program.ts';

const services = (...names: string[]): string[] =>
  names.map((name) => `gcp:projects/service:Service ${name}`);
const accounts = (...names: string[]): string[] =>
  names.map((name) => `gcp:serviceaccount/account:Account ${name}-account`);

/** What a stack is made of where nothing starts by itself. */
const ALWAYS = [
  'gcp:bigquery/dataset:Dataset dataset',
  'gcp:bigquery/dataset:Dataset read-dataset',
  'gcp:bigquery/routine:Routine read-procedure',
  ...['dataKeys', 'keysets', 'rejected', 'runs', 'shredded', 'source', 'staging'].map(
    (name) => `gcp:bigquery/table:Table ${name}`,
  ),
  'gcp:kms/cryptoKey:CryptoKey bigquery',
  'gcp:kms/cryptoKey:CryptoKey source',
  'gcp:kms/keyRing:KeyRing ring',
  ...services('bigquery', 'cloudkms', 'cloudresourcemanager', 'iam', 'storage'),
  'gcp:storage/bucket:Bucket bucket',
];

/** The workflow, what starts it and what watches it. */
const WORKFLOW = [
  'gcp:cloudscheduler/job:Job schedule',
  'gcp:projects/serviceIdentity:ServiceIdentity workflows-identity',
  'gcp:workflows/workflow:Workflow workflow',
  ...accounts('schedule', 'workflow'),
  ...services('cloudscheduler', 'logging', 'monitoring', 'workflowexecutions', 'workflows'),
];

const BATCHES = [
  'gcp:compute/firewall:Firewall between-batch-machines',
  'gcp:compute/network:Network network',
  'gcp:compute/subnetwork:Subnetwork subnetwork',
  ...['main', 'package', 'wheels'].map((part) => `gcp:storage/bucketObject:BucketObject ${part}`),
  ...accounts('batch'),
  ...services('bigquerystorage', 'compute', 'dataproc'),
];

const JOB = [
  'gcp:cloudrunv2/job:Job job',
  'gcp:storage/bucketObject:BucketObject job',
  ...accounts('job'),
  ...services('run'),
];

/** All resources but bindings, which are looked at apart, and what Monitoring has, which goes with the workflow. */
const made = ({ resources }: Program): string[] =>
  resources
    .filter(({ custom, type }) => custom && !/(I[aA]?[mM]+Member|:monitoring|:logging)/.test(type))
    .map(({ type, name }) => `${type} ${name}`);

const devOf = (engines: string[], changes: Record<string, unknown> = {}): Promise<Program> =>
  runProgram('dev', configOf('dev', { 'reseal:engines': engines, ...changes }));

const JAR = { 'reseal:jarFile': 'gs://artifacts/a.jar', 'reseal:mainClass': 'com.example.Main' };

/** The roles that an account of stack dev is granted. */
const rolesOf = (program: Program, account: string): string[] =>
  bindings(program)
    .filter(({ member }) => member.startsWith(`serviceAccount:reseal-dev-${account}@`))
    .map(({ role }) => role);

const one = ({ resources }: Program, type: string): Recorded => {
  const [found, ...others] = resources.filter((resource) => resource.type === type);
  if (found === undefined || others.length > 0) throw new Error(`not one ${type}`);
  return found;
};

const deployedJob = (program: Program) => {
  const { inputs, protect } = one(program, 'gcp:cloudrunv2/job:Job');
  const { template } = inputs.template as { template: { containers: Record<string, unknown>[] } };
  const [container = {}] = template.containers;
  return { inputs, protect, template, container };
};

describe('a stack has what its engines need, and nothing else', () => {
  it('direct: nothing starts by itself', async () => {
    const program = await devOf(['direct']);
    expect(made(program)).toEqual(ALWAYS);
    expect(bindings(program)).toEqual([]);
    expect(program.resources.filter(({ type }) => /monitoring|logging/.test(type))).toEqual([]);
    expect(parseDeployment(program.outputs)).toMatchObject({
      workflow: null,
      cloudRunJob: null,
      batch: { serviceAccount: null, subnetwork: null, application: null },
    });
  });

  it.each([[['bigquery']], [['direct', 'bigquery']]])(
    '%j: the job of Cloud Run and the workflow that starts it, without a network',
    async (engines) => {
      const program = await devOf(engines);
      expect(new Set(made(program))).toEqual(new Set([...ALWAYS, ...WORKFLOW, ...JOB]));
      expect(parseDeployment(program.outputs)).toMatchObject({
        workflow: 'projects/example-data-dev/locations/us-central1/workflows/reseal-dev',
        cloudRunJob: 'projects/example-data-dev/locations/us-central1/jobs/reseal-dev',
        batch: { serviceAccount: null, subnetwork: null, application: null },
      });
    },
  );

  it('dataproc: batches and the workflow, without Cloud Run', async () => {
    const program = await devOf(['dataproc']);
    expect(new Set(made(program))).toEqual(new Set([...ALWAYS, ...WORKFLOW, ...BATCHES]));
    expect(parseDeployment(program.outputs).cloudRunJob).toBeNull();
  });

  it('dataproc and bigquery: both, and one workflow', async () => {
    const program = await devOf(['dataproc', 'bigquery']);
    expect(new Set(made(program))).toEqual(new Set([...ALWAYS, ...WORKFLOW, ...BATCHES, ...JOB]));
  });

  it('with a jar of the user, which runs in batches alone: no job', async () => {
    const program = await devOf(['dataproc', 'bigquery'], JAR);
    expect(made(program).filter((name) => JOB.includes(name))).toEqual([]);
    expect(rolesOf(program, 'job')).toEqual([]);
    expect(rolesOf(program, 'workflow')).not.toContain('roles/run.developer');
    expect(parseDeployment(program.outputs).cloudRunJob).toBeNull();
  });
});

describe('the accounts', () => {
  const OF_BATCHES = [
    'roles/dataproc.serverlessEditor',
    'roles/iam.serviceAccountUser',
    'roles/storage.objectViewer',
  ];

  it('have no role for batches where there are none', async () => {
    const program = await devOf(['bigquery']);
    expect(bindings(program).filter(({ role }) => /dataproc|serviceAccountUser/.test(role))).toEqual([]);
    const roles = rolesOf(program, 'workflow');
    expect(roles.filter((role) => OF_BATCHES.includes(role))).toEqual([]);
    expect(roles).toContain('roles/run.developer');
    expect(rolesOf(program, 'schedule')).toEqual(['roles/workflows.invoker']);
  });

  it('have none for the job where there is none', async () => {
    const program = await devOf(['dataproc']);
    const roles = rolesOf(program, 'workflow');
    expect(roles.filter((role) => OF_BATCHES.includes(role))).toEqual(OF_BATCHES);
    expect(roles).not.toContain('roles/run.developer');
  });

  it('the workflow starts that one job, and no other', async () => {
    const started = bindings(await devOf(['bigquery'])).filter(({ role }) => role.startsWith('roles/run.'));
    expect(started).toEqual([
      {
        member: 'serviceAccount:reseal-dev-workflow@example-data-dev.iam.gserviceaccount.com',
        role: 'roles/run.developer',
        resource: 'projects/example-data-dev/locations/us-central1/jobs/reseal-dev',
      },
    ]);
  });

  it('only the job may decrypt with the keys itself', async () => {
    const decrypters = bindings(await devOf(['bigquery']))
      .filter(({ role }) => role === 'roles/cloudkms.cryptoKeyDecrypter')
      .map(({ member, resource }) => `${member.split('@')[0]} ${resource.split('/').at(-1)}`);
    expect(decrypters).toEqual([
      'serviceAccount:reseal-dev-job bigquery',
      'serviceAccount:reseal-dev-job source',
    ]);
  });

  it('of workflow and job merge what stands under a policy tag, that of batches does not', async () => {
    const columnPolicyTag = 'projects/p/locations/us-central1/taxonomies/1/policyTags/2';
    const program = await devOf(['dataproc', 'bigquery'], { 'reseal:columnPolicyTag': columnPolicyTag });
    const tagged = bindings(program).filter(({ resource }) => resource === columnPolicyTag);
    expect(tagged.map(({ member }) => member.split('@')[0])).toEqual([
      'serviceAccount:reseal-dev-job',
      'serviceAccount:reseal-dev-workflow',
    ]);
  });
});

describe('the job of Cloud Run', () => {
  it('runs its file of the bucket, which is mounted read-only, once', async () => {
    const program = await devOf(['bigquery']);
    const { template, container } = deployedJob(program);
    const object = one(program, 'gcp:storage/bucketObject:BucketObject');
    const digest = createHash('sha256').update(readFileSync('tests/fixtures/bundle/job.mjs')).digest('hex');
    expect(object).toMatchObject({
      retained: true,
      inputs: { name: `application/${digest.slice(0, 16)}/job.mjs` },
    });
    expect(container).toMatchObject({
      image: 'us-central1-docker.pkg.dev/serverless-runtimes/google-22/runtimes/nodejs22',
      commands: jobCommand(String(object.inputs.name), digest),
      volumeMounts: [{ name: 'bucket', mountPath: '/mnt/reseal' }],
    });
    expect(template).toMatchObject({
      maxRetries: 0,
      serviceAccount: 'reseal-dev-job@example-data-dev.iam.gserviceaccount.com',
      volumes: [{ name: 'bucket', gcs: { bucket: object.inputs.bucket, readOnly: true } }],
    });
  });

  it("has the stack's outputs at hand, but nothing that it could start", async () => {
    const program = await devOf(['direct', 'dataproc', 'bigquery']);
    const [variable, ...others] = deployedJob(program).container.envs as { name: string; value: string }[];
    expect(others).toEqual([]);
    expect(variable?.name).toBe(DEPLOYMENT_VARIABLE);
    expect(JSON.parse(variable?.value ?? '')).toEqual({
      ...parseDeployment(program.outputs),
      workflow: null,
      cloudRunJob: null,
    });
  });

  it('runs on an image of the user where the stack names one', async () => {
    const image = `europe-docker.pkg.dev/example-data/images/node@sha256:${'0f'.repeat(32)}`;
    expect(deployedJob(await devOf(['bigquery'], { 'reseal:jobImage': image })).container.image).toBe(image);
  });

  it.each([true, false])('is as protected as the stack says (%s)', async (deletionProtection) => {
    const changes = { 'reseal:deletionProtection': deletionProtection };
    expect(deployedJob(await devOf(['bigquery'], changes))).toMatchObject({
      protect: deletionProtection,
      inputs: { deletionProtection },
    });
  });
});

it('readers and the key at rest are granted what they are in every stack', async () => {
  const config = configOf('prod', {
    'reseal:engines': ['bigquery'],
    'reseal:schedule': { paused: true },
    'reseal:readers': 'analysts@example.com',
    'reseal:storePlaintext': true,
    'reseal:columnPolicyTag': 'projects/p/locations/us-central1/taxonomies/1/policyTags/2',
  });
  const granted = bindings(await runProgram('prod', config)).map(({ member }) => member.split(/[@ ]/)[0]);
  const own = ['job', 'workflow', 'schedule'].map((account) => `serviceAccount:reseal-prod-${account}`);
  expect(new Set(granted)).toEqual(
    new Set([
      'group:analysts',
      'routine',
      'views',
      'serviceAccount:service-1',
      'serviceAccount:bq-1',
      ...own,
    ]),
  );
});

it('a stack that names an account and a subnetwork for batches makes use of them for batches alone', async () => {
  const named = {
    'reseal:serviceAccount': 'batches@app.iam.gserviceaccount.com',
    'reseal:subnetwork': 'default',
  };
  for (const engines of [['direct'], ['bigquery']]) {
    const program = await devOf(engines, named);
    expect(bindings(program).filter(({ member }) => member.includes('batches@'))).toEqual([]);
    expect(parseDeployment(program.outputs).batch).toMatchObject({ serviceAccount: null, subnetwork: null });
  }
});
