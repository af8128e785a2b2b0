import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { aDeployment } from '../support/deployment.ts';
import { analyze, tablesOf } from '../support/oracles/analyzer.ts';
import { PAGES, sqlBlocks } from '../support/pages.ts';

const pages = [...PAGES, 'CONTRIBUTING.md'].map((path) => ({ path, text: readFileSync(path, 'utf8') }));

/** The anchor that a heading gets when the page is shown: https://github.com/Flet/github-slugger */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchor(heading ?? ''));

describe.each(pages)('$path', ({ path, text }) => {
  it('links to pages and headings that are there', () => {
    const broken = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)]
      .map(([, to, heading]) => ({ to: to === '' ? path : join(dirname(path), to ?? ''), heading }))
      .filter(({ to, heading }) => !existsSync(to) || (heading && !anchorsOf(to).includes(heading)));
    expect(broken).toEqual([]);
  });

  it('shows images that are there', () => {
    const shown = [...text.matchAll(/<(?:img|source)[^>]* (?:src|srcset)="([^"]+)"/g)].map(
      ([, to]) => to ?? '',
    );
    expect(shown.filter((to) => !existsSync(join(dirname(path), to)))).toEqual([]);
  });

  it('names files of tests/ that are there', () => {
    const named = [...text.matchAll(/`(tests\/[\w./-]+\.(?:ts|py|json|ndjson))`/g)].map(
      ([, file]) => file ?? '',
    );
    // CONTRIBUTING says what a file would be called; that need not be one.
    expect(path === 'CONTRIBUTING.md' ? [] : named.filter((file) => !existsSync(file))).toEqual([]);
  });
});

describe('the SQL of the pages', () => {
  beforeAll(() => ensureVenv(), 600_000);

  it("is accepted by Google's analyzer", async () => {
    const tables = [
      ...tablesOf(aDeployment({ project: 'my-project' })),
      // What analysts have beside the stack's own tables.
      {
        name: 'my-project.encryption_poc_read.users',
        columns: [
          { name: 'id', type: 'INT64' },
          { name: 'email', type: 'STRING' },
          // In deterministic keying.
          { name: 'email_token', type: 'BYTES' },
        ],
      },
      {
        name: 'my-project.analytics.permitted',
        columns: [
          { name: 'id', type: 'INT64' },
          { name: 'reader', type: 'STRING' },
        ],
      },
    ];
    // The analyzer's catalog has no procedures; commands.slow.test.ts calls this one.
    const call = 'CALL `my-project.encryption_poc_read.read_users`();';
    const statements = pages.flatMap(({ path }) =>
      sqlBlocks(path)
        .map((sql, at) => ({ name: `${path}, block ${at + 1}`, sql, params: {} }))
        .filter(({ sql }) => sql.trim() !== call),
    );
    expect(statements.length).toBeGreaterThan(5);
    expect((await analyze(tables, statements)).filter(({ error }) => error !== null)).toEqual([]);
  }, 600_000);
});
