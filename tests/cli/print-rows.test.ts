import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../support/cli.ts';
import { onTerminal } from '../support/on-terminal.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox();
  // The command line joins the sandbox that serves the folder.
  writeFileSync(join(box.state, 'settings.json'), '{}');
});
afterAll(() => box.close());

describe('a table', () => {
  const WIDE = `SELECT 7 AS n, REPEAT('x', 70) AS word, 'a\\nb' AS lines`;
  const table = (columns: number) => {
    const command = `stty cols ${columns}; exec "$0" bin/reseal.js sql "$1" --state "$2"`;
    return onTerminal(['sh', '-c', command, process.execPath, WIDE, box.state], ' $^', '');
  };

  it('is turned on end on a terminal that is narrower, its cells whole', async () => {
    const { screen } = await table(70);
    expect(screen.trimEnd()).toBe(`n      7\nword   ${'x'.repeat(70)}\nlines  a\\nb`);
  });

  it('cuts a wide cell where the rest has room then', async () => {
    const { screen } = await table(80);
    expect(screen.trimEnd()).toBe(`n  word${' '.repeat(62)}lines\n7  ${'x'.repeat(63)}…  a\\nb`);
  });

  it('is whole in a pipe, each of its rows in a line', async () => {
    const many = `SELECT n, REPEAT('x', 70) AS word FROM UNNEST(GENERATE_ARRAY(1, 300)) AS n ORDER BY n`;
    const { stdout } = await cli('reseal', ['sql', many, '--state', box.state]);
    expect(stdout.trimEnd().split('\n').slice(1)).toEqual(
      Array.from({ length: 300 }, (_, at) => `${String(at + 1).padStart(3)}  ${'x'.repeat(70)}`),
    );
  });
});

describe('rows of which there are none', () => {
  const REJECTED = 'id,field,reason,dek_fingerprint,run_id,rejected_at,what_to_do';
  it.each([
    { command: ['sql', 'SELECT id, dek AS wrapped FROM users'], csv: 'id,wrapped\r\n' },
    { command: ['sql', 'DELETE FROM users WHERE TRUE'], csv: '' },
    { command: ['rejected'], csv: `${REJECTED}\r\n` },
  ])('have a head in CSV, where there are columns: $command', async ({ command, csv }) => {
    const args = [...command, '--state', box.state];
    expect(await cli('reseal', [...args, '--csv'])).toEqual({
      code: 0,
      stderr: '',
      stdout: csv,
      endedAt: expect.anything(),
    });
  });

  it('are said to be none on a terminal, and are nothing in JSON', async () => {
    const args = ['sql', 'SELECT id FROM users', '--state', box.state];
    expect((await cli('reseal', args)).stdout).toBe('done; no rows\n');
    expect((await cli('reseal', [...args, '--json'])).stdout).toBe('');
  });
});

describe('cells are what their types are', () => {
  const STATEMENT = `
    SELECT [1, 2] AS many, TRUE AS yes, 7 AS small, 9007199254740993 AS large, 1.5 AS share,
      CAST('NaN' AS FLOAT64) AS none, NUMERIC '0.1' AS exact, b'abc' AS bytes, DATE '2026-01-02' AS day,
      TIMESTAMP '2026-01-02 03:04:05.678901+00' AS moment, CAST(NULL AS TIMESTAMP) AS never`;
  const shown = async (...format: string[]): Promise<string> => {
    const { code, stdout, stderr } = await cli('reseal', ['sql', STATEMENT, '--state', box.state, ...format]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  };

  it('in JSON: what a number would round, and what JSON has no word for, is text', async () => {
    expect(JSON.parse(await shown('--json'))).toEqual({
      many: [1, 2],
      yes: true,
      small: 7,
      large: '9007199254740993',
      share: 1.5,
      none: 'NaN',
      exact: '0.1',
      bytes: 'YWJj',
      day: '2026-01-02',
      moment: '2026-01-02T03:04:05.678901Z',
      never: null,
    });
  });

  it('as text in CSV and in a table', async () => {
    const [, row] = (await shown('--csv')).split('\r\n');
    expect(row).toBe(
      '"[1,2]",true,7,9007199254740993,1.5,NaN,0.1,YWJj,2026-01-02,2026-01-02T03:04:05.678901Z,',
    );
    const [, cells] = (await shown()).split('\n');
    expect(cells?.trim().split(/ {2,}/)).toEqual([
      '[1,2]',
      'true',
      '7',
      '9007199254740993',
      '1.5',
      'NaN',
      '0.1',
      'YWJj',
      '2026-01-02',
      '2026-01-02T03:04:05.678901Z',
      'NULL',
    ]);
  });
});
