import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { ResealError } from '../../jobs/contract/errors.ts';
import { parseRules, type Rule } from './rules.ts';

/**
 * The rules of a file in YAML or JSON.
 *
 * @throws ResealError `faults-file` where it cannot be read, `faults-rule` naming what is wrong in it
 */
export async function rulesOfFile(path: string): Promise<Rule[]> {
  let content: unknown;
  try {
    content = parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new ResealError('faults-file', `the rules of ${path} cannot be read`, {
      hint: 'name a file in YAML or JSON with `rules: [...]`',
      cause: error,
    });
  }
  return parseRules(content);
}
