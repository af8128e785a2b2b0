import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Application } from '../support/application.ts';
import { CTRL_D, onTerminal, RESEAL } from '../support/on-terminal.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** A question that gets no answer: ctrl-D ends the input of a terminal. */
const application = new Application('gcm');
const key = application.newKey();

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox();
  await box.load(application, [{ id: '1', cipher_text: key.encrypt('1@example.com'), dek: key.dek }]);
  // The command line joins the sandbox that serves the folder, with the settings that it has.
  writeFileSync(join(box.state, 'settings.json'), '{}');
});
afterAll(() => box?.close());

it('confirms nothing', async () => {
  const { screen, code } = await onTerminal(
    [...RESEAL, 'shred', '1', '--state', box.state],
    'Type 1 to go on',
    CTRL_D,
  );
  expect(screen).toMatch(
    /Type 1 to go on: \n+error \(not-confirmed\): not confirmed\nhint: nothing was changed/,
  );
  expect(code).toBe(2);
  expect(await box.sql('SELECT COUNT(*) AS n FROM users_shredded')).toEqual([{ n: '0' }]);
});

it('ends init, which writes nothing', async () => {
  const { screen, code } = await onTerminal([...RESEAL, 'init', 'ctrl-d'], 'Google Cloud project', CTRL_D);
  expect(screen).toMatch(/Google Cloud project: \n+error \(cancelled\): cancelled; no file was written\n/);
  expect(code).toBe(130);
  expect(existsSync('Pulumi.ctrl-d.yaml')).toBe(false);
});
