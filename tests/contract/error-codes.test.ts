import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ERROR_CODES, exitCodeOf } from '../../jobs/contract/error-codes.ts';
import { ERRORS_PAGE, errorsPage } from '../../tools/errors-page.ts';

const FOLDERS = ['jobs', 'sandbox', 'tools', 'infra', 'bench'];
const TABLE = 'jobs/contract/error-codes.ts';

/** What raises a code, in TypeScript, in the workflow's steps and in the Spark application. */
const RAISED = [
  /(?:new ResealError|\braise|RunError|application_lines\.error)\(\s*['"]([a-z][a-z-]*)['"]/g,
  /error_code: '([a-z][a-z-]*)'/g,
  /"error_code"\), "([a-z][a-z-]*)"/g,
  /"(?:[A-Z_]+)": "(kms-[a-z-]+)"/g,
  /kms\.calls, "([a-z-]+)", message/g,
  /\bcode(?: = |: )(?:[\w.]+ \? [\w.]+ : |)'([a-z][a-z-]*)'/g,
  /error instanceof ResealError \? error\.code : '([a-z][a-z-]*)'/g,
];
/** Where a code is passed on, not raised. */
const PASSED_ON = /new ResealError\(\s*(?!['"])([\w.]+)/g;

const sources = FOLDERS.flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => /\.(ts|py)$/.test(path) && path !== TABLE && !path.includes('node_modules')),
).map((path) => ({ path, text: readFileSync(path, 'utf8') }));

const raised = new Map<string, string>();
for (const { path, text } of sources)
  for (const pattern of RAISED) for (const [, code = ''] of text.matchAll(pattern)) raised.set(code, path);

it('every code that is raised is in the table', () => {
  const missing = [...raised].filter(([code]) => !(code in ERROR_CODES));
  expect(missing).toEqual([]);
});

it('every code of the table is raised somewhere', () => {
  expect(Object.keys(ERROR_CODES).filter((code) => !raised.has(code))).toEqual([]);
});

it('codes that are no literal are those of another error', () => {
  const passedOn = sources.flatMap(({ path, text }) =>
    [...text.matchAll(PASSED_ON)].map(([, expression = '']) => `${path}: ${expression}`),
  );
  expect(passedOn.filter((one) => !/: (\w+\.)?code$/.test(one))).toEqual([]);
  expect(passedOn.length).toBeGreaterThan(0);
});

it('docs/errors.md is what `npm run docs:errors` writes, with a row for each', () => {
  expect(readFileSync(ERRORS_PAGE, 'utf8')).toBe(errorsPage());
  for (const code of Object.keys(ERROR_CODES)) expect(errorsPage()).toContain(`| \`${code}\` | `);
});

it('an exit code follows from the table', () => {
  expect(['option-local', 'kms-denied', 'cancelled', 'nobody-knows'].map(exitCodeOf)).toEqual([2, 1, 130, 1]);
});
