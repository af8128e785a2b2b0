import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../support/cli.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox();
  // The command line joins the sandbox that serves the folder.
  writeFileSync(join(box.state, 'settings.json'), '{}');
});
afterAll(() => box.close());

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
