import type { GivenSettings, SettingName } from './schema.ts';

/** A setting that is wrong, in words; what a right value looks like comes from the schema's example. */
export interface Violation {
  setting: SettingName;
  message: string;
}

/** A rule between settings. It is judged once each setting that it reads is right by itself. */
export interface Rule {
  reads: readonly SettingName[];
  judge(settings: GivenSettings, stack: string): Violation[];
}

/** The one violation of a rule. */
export const wrong = (setting: SettingName, message: string): Violation[] => [{ setting, message }];
