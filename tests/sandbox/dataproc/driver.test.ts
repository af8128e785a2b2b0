import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';

/** A process that drives a batch: its driver says its own number and that of a program that it starts. */
const SANDBOX = `
import { runDriver } from './sandbox/dataproc/driver.ts';
const output = { uri: '', write: (line) => process.stdout.write(line), close: async () => {} };
const endless = 'sleep 600 & echo $$ $!; wait';
await runDriver('/bin/sh', ['-c', endless], {}, output, new AbortController().signal);
`;

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

it('a driver ends with everything that it started when the sandbox is killed', async () => {
  const sandbox = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', SANDBOX], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: sandbox.stdout }), 'line')) as [string];
  const pids = line.split(' ').map(Number);
  expect(pids.map(alive)).toEqual([true, true]);
  sandbox.kill('SIGKILL');
  const deadline = Date.now() + 5_000;
  while (pids.some(alive) && Date.now() < deadline) await sleep(20);
  expect(pids.map(alive)).toEqual([false, false]);
});
