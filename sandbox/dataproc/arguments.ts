import { type Deployment, defaultsOf } from '../../jobs/contract/deployment.ts';
import { fieldSchema } from '../../jobs/contract/fields.ts';
import { batchSettings } from '../../jobs/contract/settings/batch-settings.ts';
import { runSettings } from '../../jobs/contract/settings/run-settings.ts';
import type { Mode } from '../../jobs/contract/sql/index.ts';
import type { StageInput } from '../../jobs/engines/engine.ts';
import { GoogleError } from '../errors/google-error.ts';

/** A batch's arguments, `--name=value` each, by name. */
export function batchArguments(args: unknown): ReadonlyMap<string, string> {
  const pairs = (Array.isArray(args) ? args.map(String) : []).map((argument) => {
    const [, name, value] = /^--([a-z-]+)=(.*)$/s.exec(argument) ?? [];
    if (name === undefined || value === undefined)
      throw new GoogleError('INVALID_ARGUMENT', 'The sandbox reads arguments of the form --name=value only.');
    return [name, value] as const;
  });
  return new Map(pairs);
}

export function argument(args: ReadonlyMap<string, string>, name: string): string {
  const value = args.get(name);
  if (value === undefined) throw new Error(`the batch has no argument --${name}`);
  return value;
}

/** What the direct engine needs to do the batch's work: the same facts, as its arguments carry them. */
export function directWork(
  args: ReadonlyMap<string, string>,
  wrapped: Buffer,
): { deployment: Deployment; input: StageInput } {
  const get = (name: string): string => argument(args, name);
  const [bucket = '', tempFolder = ''] = get('google-cloud-bucket').replace('gs://', '').split('/');
  const deployment: Deployment = {
    ...defaultsOf(runSettings),
    stack: 'batch',
    project: get('project-id'),
    location: get('bigquery-location'),
    bucket,
    tempFolder,
    dataset: get('dataset-id'),
    tables: {
      source: get('source-table'),
      staging: get('destination-table'),
      rejected: get('rejected-table'),
      keysets: get('keysets-table'),
      runs: get('runs-table'),
      // No batch works on these.
      shredded: '',
      dataKeys: '',
    },
    partitionColumn: args.get('partition-column') ?? null,
    readDataset: '',
    readProcedure: '',
    readView: '',
    idColumn: get('id-column'),
    idType: get('id-type') as Deployment['idType'],
    fields: fieldSchema
      .array()
      .nonempty()
      .parse(JSON.parse(get('fields'))),
    sourceFormat: get('source-format') as Deployment['sourceFormat'],
    unauthenticated: get('unauthenticated') as Deployment['unauthenticated'],
    keying: get('keying') as Deployment['keying'],
    storePlaintext: get('store-plaintext') === 'true',
    sourceKek: get('source-kek'),
    bigqueryKek: get('bigquery-kek'),
    batch: {
      ...defaultsOf(batchSettings),
      serviceAccount: '',
      subnetwork: '',
      application: null,
      kmsCallsPerSecond: Number(get('kms-calls-per-second')),
    },
    workflow: null,
    cloudRunJob: null,
  };
  const input: StageInput = {
    runId: get('run-id'),
    attempt: get('attempt'),
    spent: [],
    mode: get('mode') as Mode,
    snapshotMillis: get('snapshot-millis'),
    idFrom: get('id-from'),
    idCutoff: get('id-cutoff'),
    wave: Number(get('wave')),
    waves: Number(get('waves')),
    limit: null,
    // Only for a progress that nobody shows, and for the choice of threads.
    selected: 0,
    keyset: { version: Number(get('keyset-version')), wrapped, kmsKey: get('bigquery-kek') },
  };
  return { deployment, input };
}
