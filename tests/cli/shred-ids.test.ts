import { expect, it } from 'vitest';
import { shredIds } from '../../jobs/cli/shred-ids.ts';

it('takes ids of the command line and of a file, each once', () => {
  expect(shredIds('INT64', [' 7', '-8'], '7\r\n\n9\n')).toEqual(['7', '-8', '9']);
  expect(shredIds('DATE', [], '2024-02-29 \n')).toEqual(['2024-02-29']);
});

it('takes ids of STRING as they are, and no empty line for one', () => {
  expect(shredIds('STRING', ['', 'a\nb'], ' it is \n\n"q"\n')).toEqual(['', 'a\nb', ' it is ', '"q"']);
});

it.each([['7x'], ['1.5'], ['012'], ['99999999999999999999']])('%s is no id of INT64', (id) => {
  expect(() => shredIds('INT64', [id], '')).toThrow(/is no id$/);
});

it('says so where there is none', () => {
  expect(() => shredIds('NUMERIC', [' '], '\n')).toThrow('there is no id to shred');
});
