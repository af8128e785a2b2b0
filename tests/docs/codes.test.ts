import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ERROR_CODES } from '../../jobs/contract/error-codes.ts';

/** The runbook has of every code the cause and the remedy, as docs/errors.md says, and no other remedy than that page. */

const page = readFileSync('docs/runbook.md', 'utf8');
const [, chapter = ''] = /\n## Every code\n(.*?)\n## /s.exec(page) ?? [];

/** The rows of all of the chapter's tables, code by code; a row may have several. */
const rows = [...chapter.matchAll(/^\| (`[^|]*`) \|(.*)\|$/gm)].flatMap(([, codes = '', rest = '']) =>
  [...codes.matchAll(/`([a-z-]+)`/g)].map(([, code = '']) => ({
    code,
    remedy: rest.split(' | ').at(-1) ?? '',
  })),
);

it('the runbook has each code once, and no other', () => {
  expect(rows.map(({ code }) => code).toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted());
});

/** The ways out that exclude each other: to go on with the run, or to begin another. */
const WAYS = { '--resume RUN': /--resume RUN/, 'a new run': /new run/ };
const IN_RUNBOOK = { '--resume RUN': /--resume/, 'a new run': /new (?:run|one)/ };

it.each(['--resume RUN', 'a new run'] as const)(
  'where errors.md says %s, the runbook does so, too',
  (way) => {
    const named = Object.entries(ERROR_CODES).filter(([, { remedy }]) => WAYS[way].test(remedy));
    const remedyOf = (code: string) => rows.find((row) => row.code === code)?.remedy ?? '';
    const other = named.filter(([code]) => !IN_RUNBOOK[way].test(remedyOf(code)));
    expect(other.map(([code, { remedy }]) => `${code}: ${remedy}`)).toEqual([]);
  },
);
