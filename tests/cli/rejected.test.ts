import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Application } from '../support/application.ts';
import { cli } from '../support/cli.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** A run that stops because of rejected values says which, wherever its user looks. */
const BAD = 12;
const ID = 'run-of-bad-values';

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox();
  const application = new Application('gcm');
  const { dek } = application.newKey();
  const rows = Array.from({ length: BAD }, (_, at) => ({ id: String(at + 1), cipher_text: '?', dek }));
  await box.load(application, rows);
  writeFileSync(join(box.state, 'settings.json'), '{}');
});
afterAll(() => box?.close());

const reseal = (...args: string[]) => cli('reseal', [...args, '--state', box.state]);

it('its page is written, and show and rejected have its reasons', async () => {
  expect((await reseal('rejected')).stdout).toBe('no rejected values\n');
  const html = join(box.folder, 'report.html');
  const args = ['--run-id', ID, '--html', html, '--state', box.state];
  const { code, stderr } = await cli('trigger', args);
  expect([code, stderr]).toEqual([3, expect.stringMatching(/allows: 12 encoding$/m)]);
  expect(readFileSync(html, 'utf8')).toContain('12 of them are staged and not merged');

  const [all, ofRun, lines, shown] = await Promise.all([
    reseal('rejected'),
    reseal('rejected', ID),
    reseal('rejected', ID, '--json'),
    reseal('show', ID),
  ]);
  expect(all.stdout).toBe(
    `run ${ID} stopped before its merge because of 12 rejected values: \`npm run reseal -- rejected ${ID} --state ${box.state}\` lists them\n`,
  );
  expect(ofRun.stdout).toMatch(/^12 +email +encoding +[0-9a-f]{16} +run-of-bad-values +not merged$/m);
  expect(ofRun.stdout).toMatch(/\n\nnot merged: 12 of them\. .*\n$/);
  const values = lines.stdout.trim().split('\n');
  expect(values).toHaveLength(BAD);
  expect(JSON.parse(values[0] ?? '')).toMatchObject({ id: '1', reason: 'encoding', rejected_at: null });
  expect(shown.stdout).toMatch(/^rejected +12\n {2}not merged +12\n {2}encoding +12\n/m);

  await cli('trigger', ['--resume', ID, '--accept-rejected', '--state', box.state]);
  const merged = await reseal('rejected', ID);
  expect(merged.stdout).toMatch(/^12 +email +encoding +[0-9a-f]{16} +run-of-bad-values +2\d{3}-/m);
  expect(merged.stdout).not.toContain('not merged');
});

it('history has what runs erased, where any of them did', async () => {
  expect((await reseal('history')).stdout).not.toContain('erased');
  await box.sql(`UPDATE runs SET erased = 7 WHERE run_id = '${ID}'`);
  const { stdout } = await reseal('history');
  expect(stdout).toMatch(/ selected +merged +rejected +erased +KMS calls /);
  expect(stdout).toMatch(/ +12 +0 +12 +7 +1 /);
});
