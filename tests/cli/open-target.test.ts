import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openTarget } from '../../jobs/cli/open-target.ts';
import { cli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'reseal-open-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'file');
writeFileSync(file, '');

describe('a sandbox’s folder that cannot be one', () => {
  it.each([
    { state: '', says: '--state is empty' },
    { state: ' ', says: '--state is empty' },
    { state: file, says: `--state ${file} names no folder` },
    { state: join(file, 'below'), says: 'names no folder' },
  ])('is turned down before anything is made: "$state"', async ({ state, says }) => {
    await expect(openTarget({ state }, () => {})).rejects.toMatchObject({
      code: 'option-state',
      message: expect.stringContaining(says),
    });
  });

  it('ends a command with 2, and fills no folder that nobody named', async () => {
    const before = readdirSync('.');
    const { code, stderr } = await cli('trigger', ['--state', '']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('error (option-state): --state is empty\n')]);
    expect(readdirSync('.')).toEqual(before);
  });
});

describe('the settings that are kept beside a sandbox', () => {
  it.each([
    { content: '{"keying": "sec', says: 'cannot be read as JSON' },
    { content: '["row"]', says: 'is no object of texts' },
    { content: '{"keying": 5}', says: 'is no object of texts' },
  ])('are named where they are broken: $content', async ({ content, says }) => {
    const state = join(folder, 'broken');
    mkdirSync(state, { recursive: true });
    const kept = join(state, 'settings.json');
    writeFileSync(kept, content);
    await expect(openTarget({ state }, () => {})).rejects.toMatchObject({
      code: 'sandbox-kept',
      message: `${kept}, which keeps the sandbox's settings, ${says}`,
      hint: expect.stringContaining('--fresh'),
    });
    expect(existsSync(join(state, 'kms.json'))).toBe(false);
  });
});
