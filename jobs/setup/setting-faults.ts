import { z } from 'zod';
import { defaultsOf } from '../contract/deployment.ts';
import { NAMING_RULES, type NamingSettings } from '../contract/field-names.ts';
import { cryptoKey, flag } from '../contract/settings/patterns.ts';
import { runSettings } from '../contract/settings/run-settings.ts';
import { TABLE_SETTINGS, tableSettings } from '../contract/settings/table-settings.ts';

/** The settings that a new stack's file has, by the contract's schemas; of the stack's own those that are chosen. */
const chosenSettings = z.object({
  ...runSettings,
  ...tableSettings,
  createSourceTable: flag,
  sourceKek: cryptoKey.optional(),
});

/**
 * What the program would refuse of settings before it deploys anything: as words, none for settings that it takes.
 *
 * @param settings by their names, without `reseal:`
 *
 * @example
 * settingFaults({ location: 'us', … }); // ['reseal:location must be one region: …']
 */
export function settingFaults(settings: Readonly<Record<string, unknown>>): string[] {
  const parsed = chosenSettings.safeParse(settings);
  if (!parsed.success)
    return parsed.error.issues.map(({ path, message }) => `reseal:${path.join('.')} ${message}`);
  return [...names(parsed.data), ...ownTables(parsed.data)];
}

const names = (settings: NamingSettings): string[] =>
  NAMING_RULES.flatMap(({ fault }) => fault(settings) ?? []).map((message) => `reseal:fields ${message}`);

/** The stack's six other tables keep their names here. */
function ownTables({ sourceTable }: { sourceTable: string }): string[] {
  const usual = defaultsOf(tableSettings);
  const own = Object.values(TABLE_SETTINGS).filter((setting) => setting !== 'sourceTable');
  const same = own.find((setting) => usual[setting] === sourceTable);
  return same === undefined
    ? []
    : [`reseal:sourceTable must not be the table of reseal:${same}, ${sourceTable}`];
}
