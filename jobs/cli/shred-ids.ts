import { ResealError } from '../contract/errors.ts';
import type { IdType } from '../contract/settings/choices.ts';

/** An INT64 as BigQuery writes it. */
const WHOLE_NUMBER = /^(0|-?[1-9][0-9]{0,18})$/;

/**
 * The ids of the command line and of a file's lines, none twice. Those of STRING are taken as they are, blanks included:
 * an empty one counts where it is named by hand, and an empty line is none.
 *
 * @example
 * shredIds('INT64', ['7 '], '8\n8\n'); // ['7', '8']
 *
 * @throws ResealError `shred-ids`
 */
export function shredIds(idType: IdType, given: readonly string[], file: string): string[] {
  const lines = file.split(/\r?\n/).filter((line) => line !== '');
  const all = [...given, ...lines];
  const ids = [...new Set(idType === 'STRING' ? all : all.map((id) => id.trim()).filter((id) => id !== ''))];
  const wrong = idType === 'INT64' ? ids.find((id) => !WHOLE_NUMBER.test(id)) : undefined;
  if (wrong !== undefined)
    throw new ResealError('shred-ids', `${JSON.stringify(wrong.slice(0, 40))} is no id`, {
      hint: 'ids are whole numbers as the source table has them; a file has one a line',
    });
  if (ids.length === 0)
    throw new ResealError('shred-ids', 'there is no id to shred', {
      hint: 'name ids, or a file of them with --from',
    });
  return ids;
}
