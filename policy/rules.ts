import { withColumns } from '../jobs/contract/fields.ts';
import { decodeSetting } from '../jobs/contract/settings/decode.ts';
import { runSettings } from '../jobs/contract/settings/run-settings.ts';
import { isProduction } from '../jobs/contract/stack-name.ts';
import { STAGED_PLAINTEXT } from '../jobs/contract/tables.ts';
import { noPublicMembers, noWideRoles } from './access.ts';
import { oneRegion, supportedRuntime } from './places.ts';
import { plaintextTagged, productionProtected } from './protection.ts';
import type { Context, ResourceRule, StackRule } from './rule.ts';

/** Every rule of the pack. */
export const resourceRules: ResourceRule[] = [
  noWideRoles,
  noPublicMembers,
  productionProtected,
  plaintextTagged,
  supportedRuntime,
];
export const stackRules: StackRule[] = [oneRegion];

/**
 * What the rules need of the stack. Read from the configuration itself rather than from the program, which
 * they are to hold to account.
 *
 * @param config the stack's configuration as text
 * @param stack the stack's name
 */
export function contextOf(config: Record<string, string>, stack: string): Context {
  const given = decodeSetting(runSettings.fields, config['reseal:fields']);
  const fields = withColumns(given.success ? given.data : []);
  const stored = decodeSetting(runSettings.storePlaintext, config['reseal:storePlaintext']);
  return {
    production: isProduction(stack),
    // What cannot be read is taken for the worse.
    storesPlaintext: !stored.success || stored.data,
    plaintextColumns: new Set([STAGED_PLAINTEXT, ...fields.map((field) => field.plaintext)]),
  };
}
