import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writablePage } from '../../../jobs/cli/page/file.ts';
import { trigger } from '../../../jobs/cli/trigger.ts';
import { cli } from '../../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'reseal-page-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a page that can be written', () => {
  it('leaves no file behind until it is', async () => {
    const html = join(folder, 'new', 'report.html');
    const page = await writablePage({ html }, 'run');
    expect(existsSync(html)).toBe(false);
    await page?.write(async () => '<html></html>');
    expect(readFileSync(html, 'utf8')).toBe('<html></html>');
  });

  it('leaves one that is there as it is', async () => {
    const html = join(folder, 'old.html');
    writeFileSync(html, 'yesterday’s');
    await writablePage({ html }, 'run');
    expect(readFileSync(html, 'utf8')).toBe('yesterday’s');
  });

  it('is told before the run from one that cannot', async () => {
    await expect(writablePage({ html: folder }, 'run')).rejects.toMatchObject({ code: 'option-html' });
  });
});

it('a command that fails leaves no page', async () => {
  const html = join(folder, 'failed.html');
  const { code } = await cli('reseal', ['show', '--state', join(folder, 'none'), '--html', html]);
  expect(code).toBe(2);
  expect(existsSync(html)).toBe(false);
});

describe('what has no report', () => {
  const usual = { state: folder, via: 'job', engine: 'auto', mode: 'pending' } as const;
  it.each([
    { options: { plan: true, html: join(folder, 'plan.html') }, says: '--plan takes no --html' },
    { options: { plan: true, open: true }, says: '--plan takes no --open' },
    {
      options: { via: 'workflow', detach: true, stack: 'dev', html: join(folder, 'detached.html') },
      says: '--detach takes no --html',
    },
  ] as const)('takes no page: $says', async ({ options, says }) => {
    await expect(trigger({ ...usual, ...options }, [])).rejects.toMatchObject({
      code: 'option-page',
      message: expect.stringContaining(says),
    });
    expect(existsSync(join(folder, 'plan.html'))).toBe(false);
  });
});
