import { describe, expect, it } from 'vitest';
import { settingsSchema } from '../../infra/settings/schema.ts';
import { loadSettings } from '../../infra/settings.ts';
import { notesOf } from '../../jobs/contract/settings/setting.ts';
import { sourceColumns } from '../../jobs/contract/tables.ts';
import { type Config, configOf, runProgram, STACKS } from '../support/pulumi/program.ts';

const least: Config = { 'reseal:project': 'example-data' };

/** The lines of what a wrong configuration is refused with, without the heading. */
function violations(config: Config, stack = 'dev'): string[] {
  try {
    loadSettings({ ...least, ...config }, stack);
  } catch (error) {
    return (error as Error).message.split('\n  ').slice(1);
  }
  return [];
}

describe('defaults', () => {
  it("are the seed's where it had one", () => {
    expect(loadSettings(least, 'dev')).toMatchObject({
      location: 'us-central1',
      dataset: 'encryption_poc',
      sourceTable: 'users',
      destinationTable: 'users_temp',
      tempFolder: 'temp',
      runtimeVersion: '2.3',
      readLimitRows: undefined,
    });
  });

  it('derive from project and stack', () => {
    expect(loadSettings(least, 'dev')).toMatchObject({
      bucket: 'example-data-reseal-dev',
      keyRing: 'reseal-dev',
      network: { create: true },
    });
  });

  it('accept values without a tag in the dotted format, out of production', () => {
    const of = (stack: string, more: Config = {}) =>
      loadSettings({ ...least, 'reseal:engines': '["dataproc"]', ...more }, stack).unauthenticated;
    const dotted = { 'reseal:sourceFormat': 'dotted' };
    expect([of('dev'), of('dev', dotted), of('prod', dotted)]).toEqual(['reject', 'accept', 'reject']);
    expect(of('prod', { ...dotted, 'reseal:unauthenticated': 'accept' })).toBe('accept');
    expect(of('dev', { ...dotted, 'reseal:unauthenticated': 'reject' })).toBe('reject');
  });

  it('give the pattern to the only field', () => {
    const { fields } = loadSettings({ ...least, 'reseal:valuePattern': '[0-9]{3}' }, 'dev');
    expect(fields.map(({ valuePattern }) => valuePattern)).toEqual(['[0-9]{3}']);
  });

  it('are taken as YAML, too, the way messages show them', () => {
    const json = loadSettings(
      { ...least, 'reseal:fields': '[{"name":"email"},{"name":"phone","dek":"dek"}]' },
      'dev',
    );
    const yaml = loadSettings(
      { ...least, 'reseal:fields': '[{name: email}, {name: phone, dek: dek}]' },
      'dev',
    );
    expect(yaml).toEqual(json);
    const network = loadSettings({ ...least, 'reseal:network': '{create: true, cidr: 10.1.0.0/24}' }, 'dev');
    expect(network.network).toEqual({ create: true, cidr: '10.1.0.0/24' });
  });

  it('name the columns of the first field as the seed did, and of a second one by its name', () => {
    const config = { ...least, 'reseal:fields': '[{"name":"email"},{"name":"phone","dek":"dek"}]' };
    const { fields } = loadSettings(config, 'dev');
    expect(fields).toEqual([
      {
        name: 'email',
        cipherText: 'cipher_text',
        dek: 'dek',
        plaintext: 'decrypted_email',
        key: 'bq_encryption_key',
        sealed: 'bq_encrypted_email',
        resealedAt: 'resealed_at',
        resealedFrom: 'resealed_from',
        valuePattern: null,
      },
      {
        name: 'phone',
        cipherText: 'phone_cipher_text',
        dek: 'dek',
        plaintext: 'decrypted_phone',
        key: 'bq_phone_encryption_key',
        sealed: 'bq_encrypted_phone',
        resealedAt: 'phone_resealed_at',
        resealedFrom: 'phone_resealed_from',
        valuePattern: null,
      },
    ]);
  });
});

it('takes text, numbers, lists and maps as the engine hands them over', () => {
  const config = {
    ...least,
    'reseal:runtimeVersion': '2.3',
    'reseal:readLimitRows': '1000',
    'reseal:storePlaintext': 'true',
    'reseal:engines': '["dataproc"]',
    'reseal:schedule': '{"paused":true}',
    'other:key': 'ignored',
  };
  expect(loadSettings(config, 'dev')).toMatchObject({
    runtimeVersion: '2.3',
    readLimitRows: 1000,
    storePlaintext: true,
    engines: ['dataproc'],
    schedule: { cron: '0 3 * * *', timeZone: 'Etc/UTC', paused: true },
  });
});

it('shows five wrong settings in five messages, each with its key and an example', () => {
  expect(
    violations({
      'reseal:project': 'X',
      'reseal:location': 'global',
      'reseal:maxExecutors': 'many',
      'reseal:sourceFormat': 'rot13',
      'reseal:jarFile': 'gs://example/app.jar',
    }),
  ).toEqual([
    'reseal:project must be a project id: 6 to 30 lower-case letters, digits and hyphens (for example: example-data-dev)',
    'reseal:location must be one region: neither global nor a multi-region, as batches and keys live in it (for example: us-central1)',
    'reseal:sourceFormat must be one of gcm, dotted, tink, tink-envelope (for example: gcm)',
    'reseal:maxExecutors must be a whole number from 2 to 2000 (for example: 8)',
    'reseal:mainClass must be set too when reseal:jarFile is (for example: com.example.Reencrypt)',
  ]);
});

it.each([
  ['FLOAT64', 'two numbers that look alike may differ, and NaN equals nothing'],
  ['BYTES', 'most bytes are no text, and an id has to be one'],
  ['BIGNUMERIC', 'Spark has no number of 76 digits; NUMERIC or STRING holds such ids'],
  ['TIME', 'BigQuery clusters no table by it, and Spark cannot write it; STRING holds such ids'],
])('says why no id is %s', (idType, why) => {
  expect(violations({ 'reseal:project': 'example-data-dev', 'reseal:idType': idType })).toEqual([
    `reseal:idType must be one of INT64, STRING, NUMERIC, BOOL, DATE, DATETIME, TIMESTAMP: ${why} (for example: STRING)`,
  ]);
});

it('stops the program itself, before any resource', async () => {
  const config = { 'reseal:location': 'global', 'reseal:keying': 'none' };
  await expect(runProgram('dev', config)).rejects.toThrow(
    /3 wrong in the configuration of stack dev:\n {2}reseal:project must be set .*\n {2}reseal:location .*\n {2}reseal:keying /,
  );
});

it('knows its keys, and guesses which one was meant', () => {
  expect(violations({ 'reseal:loction': 'us-east1', 'reseal:flux': '1' })).toEqual([
    'reseal:loction is not a setting (did you mean reseal:location?)',
    'reseal:flux is not a setting (docs/settings.md lists them all)',
  ]);
});

const KEY = 'projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k';
const TAG = 'projects/p/locations/us-central1/taxonomies/1/policyTags/2';

it('has fields share a data key whatever the case of its column, which the table then has once', () => {
  const fields = '[{"name":"email"},{"name":"phone","dek":"DEK"}]';
  expect(violations({ 'reseal:fields': fields })).toEqual([]);
  const names = sourceColumns(loadSettings({ ...least, 'reseal:fields': fields }, 'dev')).map((one) =>
    one.name.toLowerCase(),
  );
  expect(names.filter((name) => name === 'dek')).toHaveLength(1);
});

describe('rules between settings', () => {
  it.each<[string, Config, string, string]>([
    ['a main class needs its jar', { mainClass: 'a.B' }, 'dev', 'reseal:jarFile must be set too'],
    [
      'a jar knows one field',
      { jarFile: 'gs://b/a.jar', mainClass: 'a.B', fields: '[{"name":"email"},{"name":"phone"}]' },
      'dev',
      'reseal:fields must be one field',
    ],
    [
      'a newer runtime is not taken, with a jar neither, and the message says why',
      { runtimeVersion: '3.0', jarFile: 'gs://b/a.jar', mainClass: 'a.B' },
      'dev',
      'reseal:runtimeVersion must be a runtime that is taken: 2.3; 3.0 has no staging bucket',
    ],
    [
      'a field is named once',
      { fields: '[{"name":"email"},{"name":"email"}]' },
      'dev',
      'reseal:fields must not name a field twice',
    ],
    [
      'a column is one thing',
      { fields: '[{"name":"email"},{"name":"phone","sealed":"bq_encrypted_email"}]' },
      'dev',
      'reseal:fields must not use a column for two things: bq_encrypted_email',
    ],
    [
      'a field is named once, as BigQuery takes names: without regard to case',
      { fields: '[{"name":"email"},{"name":"Email","sealed":"other"}]' },
      'dev',
      'reseal:fields must not name a field twice: email',
    ],
    [
      'a column is one thing, whatever its case',
      { fields: '[{"name":"email"},{"name":"phone","sealed":"BQ_encrypted_email"}]' },
      'dev',
      'reseal:fields must not use a column for two things: bq_encrypted_email',
    ],
    [
      'no field is the id column',
      { idColumn: 'ID', fields: '[{"name":"email","cipherText":"id"}]' },
      'dev',
      'reseal:fields must not use a column for two things: ID',
    ],
    [
      'no field is called as the ids that are read',
      { fields: '[{"name":"Id"}]' },
      'dev',
      'reseal:fields must not name a field Id: that is what the ids are read as',
    ],
    [
      'no field is called as the id column',
      { idColumn: 'customer_no', fields: '[{"name":"Customer_No"}]' },
      'dev',
      'reseal:fields must not name a field Customer_No: that is reseal:idColumn',
    ],
    [
      'no field is called as what says that another does not open',
      { fields: '[{"name":"email"},{"name":"Email_unreadable"}]' },
      'dev',
      'reseal:fields must not name a field email_unreadable: whoever reads values finds there whether one does not open',
    ],
    [
      'a column of the read view is one thing',
      { keying: 'deterministic', fields: '[{"name":"email"},{"name":"Email_Token"}]' },
      'dev',
      'reseal:fields must not name a field email_token: the read view has that column for a token',
    ],
    ['a table is one thing', { runsTable: 'users' }, 'dev', 'reseal:runsTable must not be the table of'],
    ['the BigQuery key is near', { bigqueryKek: KEY }, 'dev', 'reseal:bigqueryKek is in europe-west1'],
    ['the key at rest is near', { cmek: KEY }, 'dev', 'reseal:cmek is in europe-west1'],
    [
      'the subnetwork is near',
      { subnetwork: 'projects/p/regions/us-east1/subnetworks/s' },
      'dev',
      'reseal:subnetwork is in us-east1',
    ],
    ['there is a network', { network: '{"create":false}' }, 'dev', 'reseal:subnetwork must be named'],
    [
      'there is one network',
      { network: '{"create":true}', subnetwork: 'default' },
      'dev',
      'reseal:network must not create',
    ],
    [
      'KMS calls stay under the quota',
      { kmsCallsPerSecond: '900' },
      'dev',
      'reseal:kmsCallsPerSecond must stay under 0.8 (reseal:alerts.kmsQuotaShare) of reseal:kmsQuotaPerMinute: at most 800',
    ],
    [
      'Composer may start what it has a DAG for',
      { composerServiceAccount: 'c@p.iam.gserviceaccount.com' },
      'dev',
      'reseal:composerDagBucket must be set too',
    ],
    [
      'production tags its plaintext',
      { storePlaintext: 'true', engines: '["dataproc"]' },
      'prod',
      'reseal:columnPolicyTag must be set in production',
    ],
    [
      'production runs nothing in the job',
      { engines: '["direct"]', schedule: '{paused: true}' },
      'prod',
      'reseal:engines must not have direct',
    ],
    [
      'production is protected',
      { deletionProtection: 'false', engines: '["dataproc"]' },
      'eu-prod',
      'reseal:deletionProtection must be true',
    ],
    [
      'the schedule starts no direct run',
      { engines: '["direct"]', schedule: '{paused: false}' },
      'dev',
      'reseal:schedule must be paused ({paused: true}) without dataproc or bigquery in reseal:engines: it starts no direct run',
    ],
    [
      'the schedule is not paused unless the file says so',
      { engines: '["direct"]' },
      'dev',
      'reseal:schedule must be paused ({paused: true}) without dataproc or bigquery in reseal:engines',
    ],
    [
      "Composer's DAG starts no direct run",
      { engines: '["direct"]', schedule: '{paused: true}', composerDagBucket: 'a-bucket' },
      'dev',
      'reseal:composerDagBucket must not be set without dataproc or bigquery in reseal:engines: the DAG starts no direct run',
    ],
    [
      'a jar runs in batches',
      {
        engines: '["direct"]',
        schedule: '{paused: true}',
        jarFile: 'gs://a-bucket/a.jar',
        mainClass: 'a.Main',
      },
      'dev',
      'reseal:engines must have dataproc with reseal:jarFile: a jar runs in batches',
    ],
    ['the stack has a name that fits', {}, 'A_stack_with_a_long_name', "the stack's name"],
    [
      'a nested key is named in full',
      { alerts: '{"rejectedShare":5}' },
      'dev',
      'reseal:alerts.rejectedShare must',
    ],
    [
      'only dotted has values without a tag',
      { unauthenticated: 'accept' },
      'dev',
      'reseal:unauthenticated must not be accept with reseal:sourceFormat gcm',
    ],
    ['a pattern is of RE2', { valuePattern: '(?=a)' }, 'dev', 'reseal:valuePattern must be a pattern of RE2'],
    [
      "a field's pattern is of RE2",
      { fields: '[{"name":"email","valuePattern":"[a"}]' },
      'dev',
      'reseal:fields[0].valuePattern must be a pattern of RE2',
    ],
    [
      'several fields have patterns of their own',
      { valuePattern: '.+', fields: '[{"name":"email"},{"name":"phone"}]' },
      'dev',
      'reseal:valuePattern must stand in each of reseal:fields',
    ],
    [
      'a jar looks at no value',
      { valuePattern: '.+', jarFile: 'gs://a-bucket/a.jar', mainClass: 'a.Main' },
      'dev',
      'reseal:valuePattern must not be set with reseal:jarFile',
    ],
    [
      "the stack's own table is not partitioned",
      { partitionColumn: 'created_on' },
      'dev',
      'reseal:partitionColumn must not be set while the stack creates the source table',
    ],
    [
      'partitions by ingestion time are not told apart',
      { partitionColumn: '_PARTITIONTIME', createSourceTable: 'false' },
      'dev',
      'reseal:partitionColumn must be a column of the table',
    ],
    ['a list names its place', { fields: '[{"name":"e-mail"}]' }, 'dev', 'reseal:fields[0].name must'],
  ])('%s', (_, settings, stack, message) => {
    const config = Object.fromEntries(
      Object.entries(settings).map(([key, value]) => [`reseal:${key}`, value]),
    );
    const found = violations(config, stack);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });

  it.each([['bigquery'], ['dataproc']])('let the schedule and the DAG start runs by %s', (engine) => {
    const config = {
      'reseal:engines': `["direct","${engine}"]`,
      'reseal:schedule': '{paused: false}',
      'reseal:composerDagBucket': 'a-bucket',
      'reseal:composerServiceAccount': 'c@p.iam.gserviceaccount.com',
    };
    expect(violations(config)).toEqual([]);
  });

  it('let the plaintext be stored in production under a tag', () => {
    const config = {
      'reseal:storePlaintext': 'true',
      'reseal:columnPolicyTag': TAG,
      'reseal:engines': '["dataproc"]',
    };
    expect(violations(config, 'prod')).toEqual([]);
  });
});

it.each(STACKS)('takes the file of stack %s', (stack) => {
  expect(violations(configOf(stack), stack)).toEqual([]);
});

it('has a description and an example for each setting', () => {
  for (const [name, schema] of Object.entries(settingsSchema.shape)) {
    const { description, example } = notesOf(schema);
    expect(description, name).toMatch(/\.$/);
    expect(example, name).not.toBe('');
  }
});
