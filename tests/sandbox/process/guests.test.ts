import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { startSandbox } from '../../../sandbox/process/start.ts';
import { cli, startCli } from '../../support/cli.ts';

/** Commands that work on one sandbox at a time: each would start it, and end it. */
const state = mkdtempSync(join(tmpdir(), 'reseal-guests-'));
afterAll(() => rmSync(state, { recursive: true, force: true }));

const info = join(state, 'sandbox.json');
const health = async (control: string): Promise<boolean> =>
  fetch(`${control}/sandbox/v1/health`).then(
    ({ ok }) => ok,
    () => false,
  );

test('one that has joined is served on when the one that began it has ended', async () => {
  const first = startCli('trigger', ['--state', state]);
  await first.says(/loaded the sample users/);
  const joined = await startSandbox({ state, stack: 'dev' });
  expect(await first.ended).toMatchObject({ code: 0 });
  // Longer than a host waits for its sandbox's end.
  expect(await health(joined.endpoints.control)).toBe(true);
  expect((await cli('reseal', ['history', '--state', state])).code).toBe(0);
  expect(await health(joined.endpoints.control)).toBe(true);
  await joined.stop();
  for (const until = Date.now() + 10_000; existsSync(info) && Date.now() < until; ) await sleep(50);
  expect(existsSync(info)).toBe(false);
  expect(await health(joined.endpoints.control)).toBe(false);
});

test('two that begin in the same moment share one, and load the samples once', async () => {
  const both = await Promise.all(
    [0, 1].map(() => cli('reseal', ['trigger', '--plan', '--json', '--state', join(state, 'both')])),
  );
  expect(both.map(({ code, stderr }) => [code, code === 0 ? '' : stderr])).toEqual([
    [0, ''],
    [0, ''],
  ]);
  for (const { stdout } of both) expect(JSON.parse(stdout)).toMatchObject({ selected: 1000 });
});
