import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ERROR_CODES } from '../../jobs/contract/error-codes.ts';

/** What docs/spark.md says of the application is all that there is. */
const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const page = read('docs/spark.md');
const modules = readdirSync(new URL('jobs/spark/reseal/', root))
  .filter((name) => name.endsWith('.py'))
  .map((name) => read(`jobs/spark/reseal/${name}`));
const found = (text: string, pattern: RegExp): string[] =>
  [...new Set([...text.matchAll(pattern)].map(([, name = '']) => name))].sort();

it('it names every argument', () => {
  const taken = found(read('jobs/spark/reseal/arguments.py'), /add_argument\("--([\w-]+)"/g);
  expect(taken.length).toBeGreaterThan(30);
  const [, said = ''] = /## Arguments\n(.*?)\n## /s.exec(page) ?? [];
  expect(found(said, /--([a-z][\w-]+)/g)).toEqual(taken);
});

it('it names every code of an error', () => {
  const [, said = ''] = /The codes are (.*?)\.\n/s.exec(page) ?? [];
  // Raised by name, or by what Cloud KMS answers.
  const raised = modules.flatMap((text) => [
    ...found(text, /\b(?:RunError|error)\(\s*"([a-z-]+)"/g),
    ...found(text, /"[A-Z]{3,}_[A-Z_]+": "([a-z]+-[a-z-]+)"/g),
  ]);
  expect(raised.filter((code) => !(code in ERROR_CODES))).toEqual([]);
  expect(found(said, /`([\w-]+)`/g)).toEqual([...new Set(raised)].sort());
});
