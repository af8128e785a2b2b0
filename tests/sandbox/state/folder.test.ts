import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hold, release } from '../../../sandbox/state/folder.ts';

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'reseal-folder-'));
});
afterEach(() => rmSync(state, { recursive: true, force: true }));

const lock = () => join(state, 'sandbox.lock');

test.each([
  ['of a process that is no more', String(spawnSync('true').pid)],
  ['that its process had no time to write', ''],
  ['of process 0, which would be everyone', '0'],
])('a lock %s is taken over', (_whose, content) => {
  writeFileSync(lock(), content);
  hold(state);
  expect(readFileSync(lock(), 'utf8')).toBe(String(process.pid));
  expect(readdirSync(state)).toEqual(['sandbox.lock']);
  release(state);
  expect(readdirSync(state)).toEqual([]);
});

test('a lock of a living process is kept', () => {
  writeFileSync(lock(), String(process.ppid));
  expect(() => hold(state)).toThrow(expect.objectContaining({ code: 'sandbox-busy' }));
  expect(readFileSync(lock(), 'utf8')).toBe(String(process.ppid));
});
