import type { z } from 'zod';
import { unauthenticatedIn } from '../jobs/contract/deployment.ts';
import { type Field, withColumns } from '../jobs/contract/fields.ts';
import type { Unauthenticated } from '../jobs/contract/settings/choices.ts';
import { decodeSetting } from '../jobs/contract/settings/decode.ts';
import { notesOf } from '../jobs/contract/settings/setting.ts';
import { bucketName, keyRingId, STACK_NAME, STACK_NAME_RULE } from '../jobs/contract/stack-name.ts';
import { nearest } from './settings/nearest.ts';
import { rules } from './settings/rules.ts';
import { type GivenSettings, type SettingName, settingsSchema } from './settings/schema.ts';
import { userError } from './user-error.ts';

/** The settings of a stack, every default decided. */
export interface Settings extends Omit<GivenSettings, 'fields' | 'network' | 'unauthenticated'> {
  stack: string;
  bucket: string;
  readDataset: string;
  keyRing: string;
  fields: Field[];
  unauthenticated: Unauthenticated;
  network: { create: boolean; cidr: string };
}

const NAMESPACE = 'reseal:';

/** `fields[0].name` of ['fields', 0, 'name']. */
function written(path: readonly PropertyKey[]): string {
  return path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
}

function unknownKeys(names: string[]): string[] {
  const known = Object.keys(settingsSchema.shape);
  return names
    .filter((name) => !known.includes(name))
    .map((name) => {
      const meant = nearest(name, known);
      const hint =
        meant === undefined ? 'docs/settings.md lists them all' : `did you mean ${NAMESPACE}${meant}?`;
      return `${NAMESPACE}${name} is not a setting (${hint})`;
    });
}

/**
 * Reads the settings of a stack from its configuration.
 *
 * @param config every key of the stack's configuration with its value as text (lists and maps as JSON)
 * @param stack the stack's name
 * @throws RunError that shows all violations at once, each with its key and an example
 */
export function loadSettings(config: Record<string, string>, stack: string): Settings {
  const given = Object.entries(config)
    .filter(([key]) => key.startsWith(NAMESPACE))
    .map(([key, value]) => [key.slice(NAMESPACE.length), value] as const);
  const texts = new Map(given);
  const violations = unknownKeys(given.map(([name]) => name));
  if (!STACK_NAME.test(stack))
    violations.push(`the stack's name, ${stack}, must be ${STACK_NAME_RULE} (for example: dev)`);

  const right: Partial<Record<SettingName, unknown>> = {};
  const report = (name: SettingName, path: readonly PropertyKey[], message: string) =>
    violations.push(
      `${NAMESPACE}${name}${written(path)} ${message} (for example: ${notesOf(settingsSchema.shape[name]).example})`,
    );
  for (const name of Object.keys(settingsSchema.shape) as SettingName[]) {
    const text = texts.get(name);
    const schema: z.ZodType = settingsSchema.shape[name];
    const parsed = decodeSetting(schema, text);
    if (parsed.success) right[name] = parsed.data;
    else if (text === undefined) report(name, [], 'must be set');
    else for (const issue of parsed.error.issues) report(name, issue.path, issue.message);
  }

  // A rule is judged when every setting that it reads is right, so it may take them for whole.
  const settings = right as GivenSettings;
  for (const rule of rules)
    if (rule.reads.every((name) => name in right))
      for (const { setting, message } of rule.judge(settings, stack)) report(setting, [], message);

  if (violations.length > 0)
    throw userError(
      `${violations.length} wrong in the configuration of stack ${stack}:\n  ${violations.join('\n  ')}`,
    );
  return {
    ...settings,
    stack,
    bucket: settings.bucket ?? bucketName(settings.project, stack),
    readDataset: settings.readDataset ?? `${settings.dataset}_read`,
    keyRing: settings.keyRing ?? keyRingId(stack),
    fields: withColumns(settings.fields, settings.valuePattern),
    unauthenticated: settings.unauthenticated ?? unauthenticatedIn(stack, settings.sourceFormat),
    network: { ...settings.network, create: settings.network.create ?? settings.subnetwork === undefined },
  };
}
