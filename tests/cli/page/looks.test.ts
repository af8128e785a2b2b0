import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AxeResults } from 'axe-core';
import pixelmatch from 'pixelmatch';
import type { Page } from 'playwright-core';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runPage } from '../../../jobs/cli/page/run-page.ts';
import { historyPage } from '../../../jobs/cli/page/runs.ts';
import { openBrowser, type TestBrowser } from '../../support/browser.ts';
import { ledgerRows, pageCases } from '../../support/report.ts';

/**
 * The pages as a browser shows them. After a change that is meant, look at them and keep them:
 * `UPDATE_GOLDEN=1 npx vitest run tests/cli/page/looks.test.ts`.
 */
const cases = pageCases();
const pages: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(cases).map(([name, data]) => [name, runPage(data)])),
  history: historyPage(cases.thousand.stack, ledgerRows(cases.thousand)),
  'history-without-runs': historyPage(cases.thousand.stack, []),
};
/** Columns of a phone, of a narrow window, of a screen. */
const WIDTHS = [360, 700, 1280];
const SCHEMES = ['light', 'dark'] as const;
type Scheme = (typeof SCHEMES)[number];
/** Pictures that are kept: the page of most parts on a phone and on a dark screen, the others once. */
const KEPT = Object.keys(pages).flatMap((name): { name: string; width: number; scheme: Scheme }[] =>
  name === 'million'
    ? [
        { name, width: 360, scheme: 'light' },
        { name, width: 1280, scheme: 'dark' },
      ]
    : [{ name, width: 700, scheme: 'light' }],
);
const folder = fileURLToPath(new URL('../../fixtures/golden/pages', import.meta.url));
/** Of all pixels: what rounding may change, which is far less than a word. */
const SAME = 0.0005;

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let opened: TestBrowser;
beforeAll(async () => {
  opened = await openBrowser();
});
afterAll(() => opened?.close());

async function shown<T>(
  name: string,
  width: number,
  scheme: Scheme,
  look: (page: Page) => Promise<T>,
): Promise<T> {
  const page = await opened.browser.newPage({ viewport: { width, height: 900 }, colorScheme: scheme });
  try {
    await page.setContent(pages[name] ?? '');
    return await look(page);
  } finally {
    await page.close();
  }
}

/** What reaches beyond the window, but for the inside of what scrolls by itself. */
const OVERFLOWING = `(() => {
  const scrolls = (one) =>
    one !== null && (/auto|scroll/.test(getComputedStyle(one).overflowX) || scrolls(one.parentElement));
  return [...document.querySelectorAll('body *')]
    .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .filter((one) => !scrolls(one.parentElement))
    .map((one) => one.tagName + ' ' + one.textContent.slice(0, 40));
})()`;
const CHARTS =
  "[...document.querySelectorAll('figure')].map(({ dataset, innerText }) => [innerText, dataset.unit])";
const AXE = 'axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa"] })';

describe.each(Object.keys(pages))('the page of %s', (name) => {
  it.each(WIDTHS)('does not overflow at %i columns', async (width) => {
    expect(await shown(name, width, 'light', (page) => page.evaluate(OVERFLOWING))).toEqual([]);
  });

  it.each(SCHEMES)('passes axe, contrast of every text included, in %s', async (scheme) => {
    const { passes, violations } = await shown(name, 1280, scheme, async (page) => {
      expect(await page.evaluate(`matchMedia('(prefers-color-scheme: ${scheme})').matches`)).toBe(true);
      await page.evaluate(axe);
      return (await page.evaluate(AXE)) as AxeResults;
    });
    expect(passes.map(({ id }) => id)).toContain('color-contrast');
    const found = violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html }) => `${id}: ${html.slice(0, 120)}`),
    );
    expect(found).toEqual([]);
  });

  it('names the unit of every chart where it is drawn', async () => {
    const charts = (await shown(name, 1280, 'light', (page) => page.evaluate(CHARTS))) as [string, string][];
    expect(charts.length === 0).toBe(name === 'history-without-runs');
    for (const [text, unit] of charts) expect(text).toContain(unit);
  });
});

// A Chromium of another build has other pixels.
describe.skipIf(process.env.RESEAL_CHROMIUM !== undefined)('looks as it was looked at', () => {
  it.each(KEPT)('$name at $width columns in $scheme', async ({ name, width, scheme }) => {
    const picture = await shown(name, width, scheme, (page) => page.screenshot({ fullPage: true }));
    const path = join(folder, `${name}-${width}-${scheme}.png`);
    if (process.env.UPDATE_GOLDEN !== undefined) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, picture);
    }
    expect(existsSync(path), `${path} is missing: look at the page, and keep it with UPDATE_GOLDEN=1`).toBe(
      true,
    );
    const [now, kept] = [PNG.sync.read(picture), PNG.sync.read(readFileSync(path))];
    expect([now.width, now.height]).toEqual([kept.width, kept.height]);
    const others = pixelmatch(now.data, kept.data, undefined, now.width, now.height, { threshold: 0.1 });
    expect(others / (now.width * now.height)).toBeLessThan(SAME);
  });
});
