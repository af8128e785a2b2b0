import { locationOf } from '../../jobs/contract/settings/patterns.ts';
import { TABLE_SETTINGS } from '../../jobs/contract/settings/table-settings.ts';
import { isProduction } from '../../jobs/contract/stack-name.ts';
import { engineRules } from './engine-rules.ts';
import { fieldRules } from './field-rules.ts';
import { type Rule, wrong } from './rule.ts';

const elsewhere = (setting: 'bigqueryKek' | 'cmek' | 'columnPolicyTag' | 'subnetwork'): Rule => ({
  reads: [setting, 'location'],
  judge: (settings) => {
    const at = locationOf(settings[setting] ?? '');
    return at === undefined || at === settings.location
      ? []
      : wrong(setting, `is in ${at}, but must be in reseal:location, ${settings.location}`);
  },
});

/** Every rule, in the order in which what breaks them is said. */
export const rules: Rule[] = [
  {
    reads: ['jarFile', 'mainClass'],
    judge: ({ jarFile, mainClass }) => {
      if ((jarFile === undefined) === (mainClass === undefined)) return [];
      return jarFile === undefined
        ? wrong('jarFile', 'must be set too when reseal:mainClass is')
        : wrong('mainClass', 'must be set too when reseal:jarFile is');
    },
  },
  {
    reads: ['jarFile', 'fields'],
    judge: ({ jarFile, fields }) =>
      jarFile !== undefined && fields.length > 1
        ? wrong('fields', 'must be one field with reseal:jarFile: a jar knows one')
        : [],
  },
  {
    reads: ['unauthenticated', 'sourceFormat'],
    judge: ({ unauthenticated, sourceFormat }) =>
      unauthenticated === 'accept' && sourceFormat !== 'dotted'
        ? wrong(
            'unauthenticated',
            `must not be accept with reseal:sourceFormat ${sourceFormat}: all of its values have a tag`,
          )
        : [],
  },
  {
    reads: ['valuePattern', 'fields'],
    judge: ({ valuePattern, fields }) =>
      valuePattern !== undefined && fields.length > 1
        ? wrong('valuePattern', 'must stand in each of reseal:fields, where there are several')
        : [],
  },
  {
    reads: ['jarFile', 'valuePattern', 'fields'],
    judge: ({ jarFile, valuePattern, fields }) =>
      jarFile !== undefined && [valuePattern, fields[0]?.valuePattern].some((one) => one !== undefined)
        ? wrong('valuePattern', 'must not be set with reseal:jarFile: a jar does not look at values')
        : [],
  },
  {
    reads: ['jarFile', 'waveDeks'],
    judge: ({ jarFile, waveDeks }) =>
      jarFile !== undefined && waveDeks !== undefined
        ? wrong('waveDeks', 'must not be set with reseal:jarFile: a jar chooses its rows by itself')
        : [],
  },
  ...fieldRules,
  {
    reads: Object.values(TABLE_SETTINGS),
    judge: (settings) => {
      const entries = Object.values(TABLE_SETTINGS).map((setting) => [setting, settings[setting]] as const);
      return entries.flatMap(([setting, name], index) => {
        const first = entries.findIndex(([, other]) => other === name);
        return first === index
          ? []
          : wrong(setting, `must not be the table of reseal:${entries[first]?.[0]}, ${name}`);
      });
    },
  },
  {
    // The stack's own table has no column to be partitioned by.
    reads: ['partitionColumn', 'createSourceTable'],
    judge: ({ partitionColumn, createSourceTable }) =>
      partitionColumn !== undefined && createSourceTable
        ? wrong(
            'partitionColumn',
            'must not be set while the stack creates the source table (reseal:createSourceTable): that one is not partitioned',
          )
        : [],
  },
  {
    // A routine is authorised on another dataset than its own: https://cloud.google.com/bigquery/docs/authorized-routines
    reads: ['dataset', 'readDataset'],
    judge: ({ dataset, readDataset }) =>
      readDataset === dataset ? wrong('readDataset', `must not be reseal:dataset, ${dataset}`) : [],
  },
  elsewhere('bigqueryKek'),
  elsewhere('cmek'),
  elsewhere('columnPolicyTag'),
  elsewhere('subnetwork'),
  {
    reads: ['network', 'subnetwork'],
    judge: ({ network, subnetwork }) => {
      if (network.create === false && subnetwork === undefined)
        return wrong('subnetwork', 'must be named when reseal:network.create is false');
      return network.create === true && subnetwork !== undefined
        ? wrong('network', 'must not create a network when reseal:subnetwork names one')
        : [];
    },
  },
  {
    reads: ['kmsCallsPerSecond', 'kmsQuotaPerMinute', 'alerts'],
    judge: ({ kmsCallsPerSecond, kmsQuotaPerMinute, alerts }) =>
      kmsCallsPerSecond * 60 > kmsQuotaPerMinute * alerts.kmsQuotaShare
        ? wrong(
            'kmsCallsPerSecond',
            `must stay under ${alerts.kmsQuotaShare} (reseal:alerts.kmsQuotaShare) of reseal:kmsQuotaPerMinute: at most ${Math.floor((kmsQuotaPerMinute * alerts.kmsQuotaShare) / 60)}`,
          )
        : [],
  },
  {
    reads: ['composerServiceAccount', 'composerDagBucket'],
    judge: ({ composerServiceAccount, composerDagBucket }) =>
      composerServiceAccount !== undefined && composerDagBucket === undefined
        ? wrong('composerDagBucket', 'must be set too when reseal:composerServiceAccount is')
        : [],
  },
  {
    reads: ['storePlaintext', 'columnPolicyTag'],
    judge: ({ storePlaintext, columnPolicyTag }, stack) =>
      isProduction(stack) && storePlaintext && columnPolicyTag === undefined
        ? wrong('columnPolicyTag', 'must be set in production when reseal:storePlaintext is true')
        : [],
  },
  ...engineRules,
  {
    reads: ['deletionProtection'],
    judge: ({ deletionProtection }, stack) =>
      isProduction(stack) && !deletionProtection
        ? wrong('deletionProtection', 'must be true in production')
        : [],
  },
];
