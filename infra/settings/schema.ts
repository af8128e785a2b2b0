import { z } from 'zod';
import { dataSettings } from './data.ts';
import { guardingSettings } from './guarding.ts';
import { keySettings } from './keys.ts';
import { runningSettings } from './running.ts';
import { seedSettings } from './seed.ts';

/** The groups in the order in which docs/settings.md shows them. */
export const settingGroups = [
  { title: 'The variables of the Composer DAG', settings: seedSettings },
  { title: 'Tables and values', settings: dataSettings },
  { title: 'Keys', settings: keySettings },
  { title: 'Runs', settings: runningSettings },
  { title: 'Protection and monitoring', settings: guardingSettings },
] as const;

/** Every key of a stack's configuration under `reseal:`. */
export const settingsSchema = z.strictObject({
  ...seedSettings,
  ...dataSettings,
  ...keySettings,
  ...runningSettings,
  ...guardingSettings,
});

/** Settings as the stack's file gives them, defaults filled in. */
export type GivenSettings = z.output<typeof settingsSchema>;
export type SettingName = keyof GivenSettings;
