import { expect, it } from 'vitest';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { changedSettings, keptSettings } from '../../jobs/contract/kept-settings.ts';
import { aDeployment, EMAIL, PHONE } from '../support/deployment.ts';

const stack = aDeployment();
const began = keptSettings(stack);

it('are short, whatever the stack', () => {
  expect(began).toMatch(/^(\w+:[0-9a-f]{8} ?)+$/);
  const long = aDeployment({
    fields: Array.from({ length: 9 }, () => ({ ...EMAIL, valuePattern: 'a'.repeat(99) })),
  });
  expect(keptSettings(long).length).toBe(began.length);
});

it('do not hang on the order in which an object names its members', () => {
  const turned = Object.fromEntries(Object.entries(EMAIL).reverse()) as typeof EMAIL;
  expect(keptSettings(aDeployment({ fields: [turned] }))).toBe(began);
});

it.each<[string, Partial<Deployment>]>([
  ['fields', { fields: [{ ...EMAIL, sealed: 'another_column' }] }],
  ['valuePattern', { fields: [{ ...EMAIL, valuePattern: '[a-z]+' }] }],
  ['sourceFormat', { sourceFormat: 'dotted', unauthenticated: stack.unauthenticated }],
  ['unauthenticated', { unauthenticated: stack.unauthenticated === 'accept' ? 'reject' : 'accept' }],
  ['keying', { keying: 'shared' }],
  ['storePlaintext', { storePlaintext: !stack.storePlaintext }],
  ['sourceKek', { sourceKek: stack.bigqueryKek }],
  ['sourceTable', { tables: { ...stack.tables, source: 'customers' } }],
])('say which one has changed: %s', (name, given) => {
  expect(changedSettings(began, aDeployment(given))).toEqual([name]);
});

it('name the setting that several fields have their patterns in', () => {
  const several = aDeployment({ fields: [EMAIL, PHONE] });
  const pattern = { valuePattern: '[0-9]+' };
  const changed = (fields: Deployment['fields']) =>
    changedSettings(keptSettings(several), aDeployment({ fields }));
  expect(changed([EMAIL, { ...PHONE, ...pattern }])).toEqual(['fields']);
  expect(changed([EMAIL, { ...PHONE, ...pattern, sealed: 'another_column' }])).toEqual(['fields']);
});

it('leave alone what only says how a run is carried out', () => {
  const given = {
    verifyRows: 1,
    maxRejectedShare: 1,
    waveDeks: 7,
    partitionColumn: 'day',
    engines: ['direct'],
  };
  expect(changedSettings(began, aDeployment(given as Partial<Deployment>))).toEqual([]);
});

it('are unknown of a run that an older version began', () => {
  expect(changedSettings(null, aDeployment({ keying: 'shared' }))).toEqual([]);
});
