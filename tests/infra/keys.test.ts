import { expect, it } from 'vitest';
import { configOf, type Recorded, runProgram } from '../support/pulumi/program.ts';

const KMS = /^gcp:kms\//;
const KEY = 'projects/example-data/locations/us-central1/keyRings/new/cryptoKeys/key';
const nameOf = ({ type, name }: Recorded): string => `${type} ${name}`;

/** What the stack has of Cloud KMS with these settings beside a key of its own at rest. */
async function ofKms(changes: Record<string, unknown> = {}): Promise<Recorded[]> {
  const config = configOf('dev', { 'reseal:cmek': 'create', ...changes });
  return (await runProgram('dev', config)).resources.filter(({ type }) => KMS.test(type));
}
const before = ofKms();

/** What takes keys away for good, or from the services that encrypt at rest with them. */
const lost = (all: Recorded[]): string[] =>
  all
    .filter(({ retained, name, type }) => !retained && (!type.endsWith('IAMMember') || /^at-rest/.test(name)))
    .map(nameOf);

it.each<[string, Record<string, unknown>, string[]]>([
  ['the keyset moves to another key', { 'reseal:bigqueryKek': KEY }, ['bigquery']],
  ['the application has a key of its own', { 'reseal:sourceKek': KEY }, ['source']],
  [
    'tables are encrypted at rest by Google again',
    { 'reseal:cmek': 'none' },
    ['at-rest', 'at-rest-bigquery', 'at-rest-storage'],
  ],
  [
    'another key encrypts at rest',
    { 'reseal:cmek': KEY },
    ['at-rest', 'at-rest-bigquery', 'at-rest-storage'],
  ],
  [
    'no key is the stack’s own any more',
    { 'reseal:sourceKek': KEY, 'reseal:bigqueryKek': KEY, 'reseal:cmek': 'none' },
    ['ring', 'source', 'bigquery', 'at-rest'],
  ],
])('no key is destroyed, and none taken from what is at rest, where %s', async (_, changes, gone) => {
  const left = new Map((await ofKms(changes)).map((one) => [nameOf(one), one]));
  const deleted = (await before).filter((one) => {
    const same = left.get(nameOf(one));
    return same === undefined || same.inputs.cryptoKeyId !== one.inputs.cryptoKeyId;
  });
  expect(deleted.map(({ name }) => name)).toEqual(expect.arrayContaining(gone));
  expect(lost(deleted)).toEqual([]);
});

it('destroying a stack leaves its keys, and with them whatever an application has encrypted', async () => {
  expect(lost(await before)).toEqual([]);
});
