import { parseHTML } from 'linkedom';
import { afterEach, describe, expect, it } from 'vitest';
import { aimAt } from '../../../jobs/cli/aim.ts';
import { runPage } from '../../../jobs/cli/page/run-page.ts';
import { historyPage } from '../../../jobs/cli/page/runs.ts';
import { aPage, aReport, ledgerRows, pageCases } from '../../support/report.ts';

/** The structure of the pages; how they look is for eyes (docs/limits.md). */
const cases = pageCases();
const pages = {
  ...Object.fromEntries(Object.entries(cases).map(([name, data]) => [name, runPage(data)])),
  history: historyPage(cases.thousand.stack, ledgerRows(cases.thousand)),
  'history without runs': historyPage(cases.thousand.stack, []),
} as Record<keyof typeof cases | 'history' | 'history without runs', string>;

const parsed = (page: string) => parseHTML(page).document;
const words = (page: string): string => parsed(page).body.textContent.replace(/\s+/g, ' ');
/** The figures of the page by their unit. */
const units = (page: string): string[] =>
  [...parsed(page).querySelectorAll('figure')].map((figure) => figure.getAttribute('data-unit') ?? '');

describe.each(Object.entries(pages))('the page of %s', (_, text) => {
  const document = parsed(text);

  it('is one file: no script, nothing fetched', () => {
    expect([...document.querySelectorAll('script, img, link, iframe, object, embed')]).toEqual([]);
    expect(text).not.toMatch(/\bon[a-z]+=|@import|url\(|javascript:|\bsrc=/i);
  });

  it('draws each chart for a screen and for a phone, with its unit and a name', () => {
    for (const figure of document.querySelectorAll('figure')) {
      const drawings = [...figure.querySelectorAll('svg')];
      expect(drawings.map((svg) => svg.getAttribute('width'))).toEqual(['760', '340']);
      for (const svg of drawings) {
        expect(svg.getAttribute('role')).toBe(svg.querySelector('a') === null ? 'img' : 'group');
        expect(svg.getAttribute('aria-label')).toBe(figure.querySelector('figcaption')?.textContent);
        const texts = [...svg.querySelectorAll('text')].map(({ textContent }) => textContent);
        expect(texts.some((text) => text.includes(figure.getAttribute('data-unit') ?? 'no unit'))).toBe(true);
        for (const rect of svg.querySelectorAll('rect')) {
          const [x, width] = [Number(rect.getAttribute('x')), Number(rect.getAttribute('width'))];
          expect(x).toBeGreaterThanOrEqual(0);
          expect(x + width).toBeLessThanOrEqual(Number(svg.getAttribute('width')));
        }
        expect(svg.outerHTML).not.toMatch(/NaN|undefined|Infinity|null/);
      }
    }
  });

  it('has a table beside each chart, and an end for every link', () => {
    const sections = [...document.querySelectorAll('section')].filter((one) => one.querySelector('figure'));
    for (const section of sections) {
      if (section.querySelector('h2')?.textContent === 'How long each took') continue;
      expect(section.querySelectorAll('table tbody tr').length).toBeGreaterThan(0);
    }
    const ids = new Set([...document.querySelectorAll('[id]')].map((one) => one.getAttribute('id')));
    expect(ids.size).toBe(document.querySelectorAll('[id]').length);
    for (const link of document.querySelectorAll('a[href^="#"]'))
      expect(ids).toContain(link.getAttribute('href')?.slice(1));
  });

  it('says nothing that is no value', () => {
    expect(words(text)).not.toMatch(/undefined|NaN|\[object|Infinity/);
  });
});

afterEach(() => aimAt({}));

describe('a run', () => {
  it('of a thousand values adds up', () => {
    const text = words(pages.thousand);
    expect(text).toContain('980 of 1,000 values re-encrypted');
    expect(text).toMatch(/sealed980 ?98\.0% ?sealed and written/);
    expect(units(pages.thousand)).toEqual([
      'values',
      'rejected values',
      'seconds',
      'data keys, KMS calls',
      '% of the plan',
      'US$',
      'seals',
      'values',
    ]);
    expect(text).toContain('values a second while staging1,667');
    expect(text).toContain(
      'SELECT * FROM `example-data-prod.encryption_poc_read.users` ORDER BY `id` LIMIT 100;',
    );
  });

  it('of a million names its batch, the erased and each reason with what to do', () => {
    const document = parsed(pages.million);
    expect(words(pages.million)).toContain('987,600 of 1,000,000 values re-encrypted');
    expect(document.querySelector('header a')?.getAttribute('href')).toMatch(/^https:\/\/console\.cloud/);
    expect(document.querySelector('#reason-dek-refused')?.textContent).toContain('Check reseal:sourceKek');
    expect(words(pages.million)).toContain('erased1,203');
    // The text links are what a keyboard reaches; each reason's bar has one, too.
    expect([...document.querySelectorAll('.wide a[href="#reason-encoding"]')]).toHaveLength(2);
  });

  it('that found nothing to do says so and draws nothing', () => {
    expect(words(pages.nothing)).toContain('Nothing was left to do');
    expect(units(pages.nothing)).toEqual(['seconds']);
  });

  it.each([
    ['failed', 'kms-denied', 'grant roles/cloudkms.cryptoKeyDecrypter', 'stage, broken off'],
    ['cancelled', 'cancelled', 'npm run trigger -- --resume 20260102-030405-9f3a1c', 'verify, broken off'],
    ['stopped', 'rejected-share', '--accept-rejected', 'verify, broken off'],
  ] as const)('that %s says why, what to do, and that nothing was touched', (name, code, remedy, step) => {
    const text = words(pages[name]);
    for (const said of [code, remedy, 'the source table is untouched', 'not merged1,000', step])
      expect(text).toContain(said);
    expect(text).not.toContain('Read the values');
  });

  it('that broke off between its waves says how many are merged', () => {
    const waves = {
      waves: 4,
      waves_merged: 1,
      selected: 1000,
      merged: 250,
      staged: 250,
      rejected: 0,
      reasons: {},
    };
    const failed = {
      state: 'failed',
      error_code: 'kms-unavailable',
      error: 'no answer',
      merged_at: null,
    } as const;
    const text = words(runPage(aPage(aReport({ ...waves, ...failed }))));
    for (const said of ['The run failed; 1 of its 4 waves are merged', 'sealed250', 'not merged750'])
      expect(text).toContain(said);
    expect(text).not.toContain('untouched');
  });

  it('that stopped over rejected values has their reasons, and does not say of the unknown that it was free', () => {
    const text = words(pages.stopped);
    expect(text).toContain('60 of them are staged and not merged');
    expect(text).toMatch(/Cloud KMS ?\$0\.00035 ?– ?117 calls/);
    expect(text).toMatch(/Dataproc ?– ?– ?not known/);
    expect(words(pages.failed)).toMatch(/Cloud KMS ?– ?– ?not known ?Dataproc ?\$0 ?– ?no batch/);
  });

  it('has what runs sealed anew and erased, where any of them did', () => {
    const heads = (page: string) => [...parsed(page).querySelectorAll('th')].map((one) => one.textContent);
    expect(heads(pages.stopped)).toEqual(expect.arrayContaining(['sealed anew', 'erased']));
    expect(words(pages.stopped)).toContain('row keysets sealed anew (grey), values erased (violet)');
    expect(heads(pages.thousand)).not.toContain('sealed anew');
  });

  it('names commands that work on its own stack', () => {
    aimAt({ stack: 'prod' });
    expect(words(runPage(cases.thousand))).toMatch(/npm run reseal -- rejected \S+ --stack prod/);
    const error = { state: 'failed', error_code: 'bigquery-missing', error: 'no table' } as const;
    expect(words(runPage(aPage(aReport(error))))).toContain('What to do: run pulumi up --stack prod');
  });

  it('whose texts are hostile stays a page', () => {
    const bad = `<script>alert("x")</script>'&`;
    const text = runPage(aPage(aReport({ state: 'failed', error_code: 'bigquery', error: bad })));
    expect(text).not.toContain('<script');
    expect(words(text)).toContain(bad);
  });
});

it('history shows runs over time, the newest first', () => {
  expect(units(pages.history)).toEqual(['values', 'seconds']);
  const ids = [...parsed(pages.history).querySelectorAll('tbody th code')].map((one) => one.textContent);
  expect(ids).toEqual(['20260102-030405-9f3a1c', '20251231-030405-aaaaa1', '20251230-030405-aaaaa0']);
  expect(words(pages['history without runs'])).toContain('There is no run yet.');
});

it('the structure of a page is as it was looked at', async () => {
  const outline = [...parsed(pages.thousand).querySelectorAll('h1, h2, th[scope="col"], figcaption, dt')].map(
    (one) => `${one.tagName.toLowerCase()} ${one.textContent}`,
  );
  await expect(`${outline.join('\n')}\n`).toMatchFileSnapshot('../../fixtures/golden/run-page.txt');
  const flow = parsed(pages.million).querySelector('.wide svg');
  await expect(`${flow?.outerHTML.replaceAll('><', '>\n<')}\n`).toMatchFileSnapshot(
    '../../fixtures/golden/run-page-flow.svg',
  );
});
