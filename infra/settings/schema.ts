import { z } from 'zod';
import { batchSettings } from '../../jobs/contract/settings/batch-settings.ts';
import { runSettings } from '../../jobs/contract/settings/run-settings.ts';
import { tableSettings } from '../../jobs/contract/settings/table-settings.ts';
import { guardingSettings } from './guarding.ts';
import { keySettings } from './keys.ts';
import { placingSettings } from './placing.ts';
import { runningSettings } from './running.ts';

/** The groups in the order in which docs/settings.md shows them. */
export const settingGroups = [
  { title: 'What a run does', settings: runSettings },
  { title: 'The batch', settings: batchSettings },
  { title: 'Dataset and tables', settings: tableSettings },
  { title: 'What is created and what exists', settings: placingSettings },
  { title: 'Keys', settings: keySettings },
  { title: 'Schedule and surroundings', settings: runningSettings },
  { title: 'Protection and monitoring', settings: guardingSettings },
] as const;

/** Every key of a stack's configuration under `reseal:`. */
export const settingsSchema = z.strictObject({
  ...runSettings,
  ...batchSettings,
  ...tableSettings,
  ...placingSettings,
  ...keySettings,
  ...runningSettings,
  ...guardingSettings,
});

/** Settings as the stack's file gives them, defaults filled in. */
export type GivenSettings = z.output<typeof settingsSchema>;
export type SettingName = keyof GivenSettings;
