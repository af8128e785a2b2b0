import { copyFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseDeployment } from '../../jobs/contract/deployment.ts';
import { type EngineRun, type Registered, runEngine } from '../support/pulumi/engine.ts';
import { configOf, FILLED_IN, stackProgram } from '../support/pulumi/program.ts';

const SERVICE = 'gcp:projects/service:Service';

/** What the engine uses for a value that it does not know yet. */
const UNKNOWN = '04da6b54-80e4-46f7-96ec-b56ff0331ba9';

/** Everything that a resource waits for, and what that waits for. */
function awaited(of: Registered, all: Map<string, Registered>, seen = new Set<string>()): Set<string> {
  for (const urn of of.dependencies) {
    if (seen.has(urn)) continue;
    seen.add(urn);
    const next = all.get(urn);
    if (next !== undefined) awaited(next, all, seen);
  }
  return seen;
}

describe.each(['dev', 'prod'])("stack %s in Pulumi's language host", (stack) => {
  let preview: EngineRun;
  let update: EngineRun;
  beforeAll(async () => {
    [preview, update] = await Promise.all([
      runEngine(stack, configOf(stack, FILLED_IN[stack]), true),
      runEngine(stack, configOf(stack, FILLED_IN[stack]), false),
    ]);
  });

  it('previews and updates without a word', () => {
    expect(preview).toMatchObject({ code: 0, messages: [] });
    expect(update).toMatchObject({ code: 0, messages: [] });
  });

  it('registers what the mocks see, in a preview too', async () => {
    const names = (all: { type: string; name: string }[]) =>
      all
        .map(({ type, name }) => `${type} ${name}`)
        .filter((name) => !name.startsWith('pulumi:pulumi:Stack'))
        .sort();
    const mocked = names((await stackProgram(stack)).resources);
    expect(names(update.registered)).toEqual(mocked);
    expect(names(preview.registered)).toEqual(mocked);
  });

  it('knows every output before anything exists, and every input that is not Google to say', () => {
    expect(preview.outputs).toEqual(update.outputs);
    expect(parseDeployment(preview.outputs)).toMatchObject({ stack });
    const unknown = preview.registered.filter(({ inputs }) => JSON.stringify(inputs).includes(UNKNOWN));
    // The services' own agents, who are asked for once their APIs are on.
    expect(unknown.map(({ name }) => name).sort()).toEqual(
      stack === 'prod' ? ['at-rest-bigquery', 'at-rest-storage'] : [],
    );
  });

  it('creates nothing before the APIs are on', () => {
    const all = new Map(update.registered.map((one) => [one.urn, one]));
    const services = update.registered.filter(({ type }) => type === SERVICE).map(({ urn }) => urn);
    expect(services.length).toBeGreaterThan(0);
    for (const one of update.registered.filter(({ custom, type }) => custom && type !== SERVICE)) {
      const waits = awaited(one, all);
      expect([one.name, services.filter((urn) => !waits.has(urn))]).toEqual([one.name, []]);
    }
  });

  it('turns on the API by which APIs are turned on first, and waits after each that it turns on', () => {
    const all = new Map(update.registered.map((one) => [one.urn, one]));
    const services = update.registered.filter(({ type }) => type === SERVICE);
    const [first, ...others] = services;
    expect(first?.inputs.service).toBe('cloudresourcemanager.googleapis.com');
    for (const one of others)
      expect([one.name, awaited(one, all).has(first?.urn ?? '')]).toEqual([one.name, true]);
    for (const one of services) expect([one.name, one.afterCreate]).toEqual([one.name, ['api-activation']]);
    expect(
      update.registered.some(({ type }) => type === 'gcp:projects/serviceIdentity:ServiceIdentity'),
    ).toBe(true);
  });
});

it('a wrong configuration ends the program with its messages, and no stack trace', async () => {
  const { code, registered, messages } = await runEngine('dev', { 'reseal:location': 'global' }, true);
  expect(code).not.toBe(0);
  expect(registered.filter(({ custom }) => custom)).toEqual([]);
  expect(messages).toHaveLength(1);
  expect(messages[0]).toMatch(/reseal:project must be set/);
  expect(messages[0]).not.toMatch(/\n\s+at /);
});

describe('without the bundle', () => {
  const bundle = { 'reseal:bundle': 'tests/fixtures/no-bundle' };
  const HOW = 'run `npm run bundle`, then `pulumi up` again; until then';

  /** A folder with some of the bundle's files. */
  function folder(...files: string[]): Record<string, string> {
    const made = mkdtempSync(join(tmpdir(), 'reseal-bundle-'));
    for (const file of files) copyFileSync(join('tests/fixtures/bundle', file), join(made, file));
    return { 'reseal:bundle': made };
  }

  it.each([
    { engines: ['direct', 'dataproc', 'bigquery'], missing: ['no batches', 'no run done inside BigQuery'] },
    { engines: ['dataproc', 'bigquery'], missing: ['no batches', 'no run done inside BigQuery'] },
    { engines: ['direct', 'dataproc'], missing: ['no batches'] },
    { engines: ['bigquery'], missing: ['no run done inside BigQuery'] },
  ])(
    'a stack of $engines, which can run by hand, comes up without a workflow, and says how to get one',
    async ({ engines, missing }) => {
      const config = configOf('dev', { ...bundle, 'reseal:engines': engines });
      const { code, outputs, messages, registered } = await runEngine('dev', config, false);
      expect(code).toBe(0);
      expect(messages).toHaveLength(missing.length);
      for (const what of missing)
        expect(messages.find((message) => message.endsWith(what))).toEqual(expect.stringContaining(HOW));
      expect(parseDeployment(outputs)).toMatchObject({
        workflow: null,
        cloudRunJob: null,
        batch: { application: null },
      });
      const started = /scheduler|workflow:Workflow|AlertPolicy|cloudrun/;
      expect(registered.filter(({ type }) => started.test(type))).toEqual([]);
    },
  );

  it.each([
    { has: ['job.mjs'], missing: 'no batches', job: expect.stringContaining('/jobs/'), application: null },
    {
      has: ['main.py', 'reseal.zip', 'wheels.zip'],
      missing: 'no run done inside BigQuery',
      job: null,
      application: expect.objectContaining({ main: expect.stringContaining('main.py') }),
    },
  ])('a workflow makes do with $has, with a warning', async ({ has, missing, job, application }) => {
    const { code, outputs, messages } = await runEngine('dev', configOf('dev', folder(...has)), false);
    expect(code).toBe(0);
    expect(messages).toEqual([expect.stringMatching(new RegExp(`${missing}$`))]);
    expect(parseDeployment(outputs)).toMatchObject({
      workflow: expect.stringContaining('/workflows/reseal-dev'),
      cloudRunJob: job,
      batch: { application },
    });
  });

  it('a schedule is refused without the file of the job alone, too: it would take batches without a word', async () => {
    const changes = {
      ...folder('main.py', 'reseal.zip', 'wheels.zip'),
      'reseal:schedule': { paused: false },
    };
    const { code, messages } = await runEngine('dev', configOf('dev', changes), true);
    expect(code).not.toBe(0);
    expect(messages.join()).toMatch(/job\.mjs missing.*run `npm run bundle`/);
  });

  it.each([
    ['a schedule', { 'reseal:schedule': { cron: '0 3 * * *' } }],
    [
      'a DAG',
      {
        'reseal:composerDagBucket': 'us-central1-composer-bucket',
        'reseal:composerServiceAccount': 'composer@example-data-dev.iam.gserviceaccount.com',
      },
    ],
  ])('a stack with %s is refused: it would lose it without a word', async (_what, changes) => {
    const { code, messages } = await runEngine('dev', configOf('dev', { ...bundle, ...changes }), true);
    expect(code).not.toBe(0);
    expect(messages.join()).toMatch(/main\.py.*missing.*run `npm run bundle`/);
  });

  it('a stack of batches alone is refused', async () => {
    const { code, messages } = await runEngine('prod', configOf('prod', bundle), true);
    expect(code).not.toBe(0);
    expect(messages.join()).toMatch(/main\.py.*missing.*run `npm run bundle`/);
  });

  it('a jar of your own needs none', async () => {
    const jar = { 'reseal:jarFile': 'gs://artifacts/a.jar', 'reseal:mainClass': 'com.example.Main' };
    const { code, outputs, messages } = await runEngine(
      'prod',
      configOf('prod', { ...bundle, ...jar }),
      true,
    );
    expect({ code, messages }).toEqual({ code: 0, messages: [] });
    expect(parseDeployment(outputs)).toMatchObject({
      batch: { application: null, jarFile: 'gs://artifacts/a.jar' },
      workflow: expect.stringContaining('/workflows/reseal-prod'),
    });
  });
});

it('uses what is named instead of creating it', async () => {
  const key = (id: string) => `projects/app/locations/us-central1/keyRings/r/cryptoKeys/${id}`;
  const config = configOf('dev', {
    'reseal:sourceKek': key('users'),
    'reseal:bigqueryKek': key('bq'),
    'reseal:serviceAccount': 'batches@app.iam.gserviceaccount.com',
    'reseal:subnetwork': 'default',
    'reseal:createSourceTable': false,
  });
  const { code, outputs, registered } = await runEngine('dev', config, true);
  expect(code).toBe(0);
  expect(outputs).toMatchObject({
    sourceKek: key('users'),
    bigqueryKek: key('bq'),
    batch: { serviceAccount: 'batches@app.iam.gserviceaccount.com', subnetwork: 'default' },
  });
  const passedOn = registered.find(({ type }) => type === 'gcp:serviceaccount/iAMMember:IAMMember');
  expect(passedOn?.inputs).toMatchObject({
    serviceAccountId: 'projects/app/serviceAccounts/batches@app.iam.gserviceaccount.com',
  });
  const made = registered.map(({ type, name }) => `${type} ${name}`);
  for (const absent of [
    /kms\/(keyRing|cryptoKey):/,
    /compute/,
    / batch-account$/,
    /Table source$/,
    /Dataset dataset$/,
  ])
    expect(made.filter((one) => absent.test(one) && !one.includes('project'))).toEqual([]);
});
