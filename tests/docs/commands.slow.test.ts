import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Deployment, parseDeployment } from '../../jobs/contract/deployment.ts';
import type { Statement } from '../../jobs/contract/sql/index.ts';
import { type BigQueryService, bigQueryService, type Row } from '../../jobs/google/bigquery.ts';
import { type Sandbox, startSandbox } from '../../sandbox/process/start.ts';
import { cli } from '../support/cli.ts';
import {
  type Block,
  blocksOf,
  commandsIn,
  PAGES,
  resealArguments,
  spansOf,
  words,
} from '../support/pages.ts';

/** The commands and statements of the pages, carried out against a sandbox; what they print is what the page shows. */

/** Pages whose statements need tables of the reader's own, and have a test with these beside this one. */
const ELSEWHERE: readonly string[] = ['docs/analysts.md'];

const folder = mkdtempSync(join(tmpdir(), 'reseal-docs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Whether a command can be carried out without a cloud account, Spark, or something that the reader brings along. */
const isLocal = (given: readonly string[]): boolean =>
  given.length > 0 &&
  !given.some((word) =>
    /^(?:--stack|--via|stack|dataproc|--setting|--keying|--help|--version|--open)$/.test(word),
  ) &&
  !given.some((word) => /^[A-Z]{2,}$|…/.test(word));

/** Carries out a command line in the sandbox of `state`; the files that it names stand beside it. */
async function carryOut(given: readonly string[], state: string): Promise<string> {
  const file = (word: string, at: number): string =>
    ['--html', '--users', '--kek'].includes(given[at - 1] ?? '') ? join(folder, word) : word;
  const stateless = given[0] === 'vectors' || given[0] === '--version';
  const args = [...given.map(file), ...(stateless ? [] : ['--state', state])];
  const { code, stdout, stderr } = await cli('reseal', args);
  expect([given.join(' '), code, code === 0 ? '' : stderr]).toEqual([given.join(' '), 0, '']);
  return `${stderr}\n${stdout}`;
}

/** A command for a stack as the sandbox takes it: there is no workflow, and a batch takes longer than a test should. */
function inSandbox(given: readonly string[], run: string): string[] {
  const pairs = new Set(given.includes('--plan') ? ['--stack', '--via'] : ['--stack', '--via', '--engine']);
  return given
    .filter((word, at) => !pairs.has(word) && !pairs.has(given[at - 1] ?? '') && word !== '--detach')
    .map((word) => (word === 'RUN' ? run : word));
}

/** A line of a page as a pattern: `…` stands for anything, and no two runs have the same ids, moments and times. */
function pattern(line: string): RegExp {
  const parts: readonly (readonly [RegExp, string])[] = [
    [/…/, '.*'],
    [/\d{8}-\d{6}-[0-9a-f]{6}/, '\\d{8}-\\d{6}-[0-9a-f]{6}'],
    [
      /\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+Z)?/,
      '\\d{4}-\\d\\d-\\d\\d[ T]\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+Z)?',
    ],
    [/\d+(?:\.\d)? (?:s|min)\b/, '\\d+(?:\\.\\d)? (?:s|min)'],
    [/US\$ [\d.]+/, 'US\\$ [\\d.]+'],
    [/\d+(?:\.\d+)? MiB/, '[\\d.]+ MiB'],
    [/ +/, ' +'],
  ];
  const any = new RegExp(parts.map(([{ source }]) => `(${source})`).join('|'), 'g');
  let made = '';
  let end = 0;
  for (const match of line.matchAll(any)) {
    made += literally(line.slice(end, match.index));
    made += parts[match.slice(1).findIndex((part) => part !== undefined)]?.[1];
    end = match.index + match[0].length;
  }
  return new RegExp(`^${made}${literally(line.slice(end))} *$`, 'm');
}
const literally = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Every line that a page shows was printed. */
function expectPrinted(shown: string, printed: string): void {
  const lines = shown.split('\n').filter((line) => line.trim() !== '' && line !== '…');
  expect(lines.filter((line) => !pattern(line).test(printed)).map((line) => [line, printed])).toEqual([]);
}

it('what a page shows and no command prints is found out', () => {
  const printed = 'plan    1000 values under 224 data keys, direct engine\ntook  2.9 s\n';
  expectPrinted('plan  1000 values under 224 data keys, …\ntook 3 s', printed);
  for (const shown of [
    'plan    1001 values under 224 data keys, direct engine',
    'took 2.9 s or more',
    'plan',
  ])
    expect(() => expectPrinted(shown, printed)).toThrow();
});

/** The shell blocks of a page in order, each with the text that it prints, if the page shows it. */
const shellBlocks = (path: string): { commands: string[][]; shown: string | undefined }[] => {
  const blocks = blocksOf(path);
  return blocks
    .filter(({ language }) => language === 'sh')
    .map((block) => ({
      commands: commandsIn(block.text),
      shown: blocks.find(({ after }) => after === block)?.text,
    }));
};

interface Joined {
  readonly sandbox: Sandbox;
  readonly deployment: Deployment;
  readonly owner: BigQueryService;
}

async function joinSandbox(state: string): Promise<Joined> {
  const sandbox = await startSandbox({ state, stack: 'dev', config: {}, fresh: false });
  const deployment = parseDeployment(sandbox.outputs);
  return { sandbox, deployment, owner: await bigQueryService(deployment, sandbox.owner) };
}

const NEWEST_RUN = ({ deployment: { project, dataset } }: Joined): Statement<never> =>
  ({
    name: 'docs',
    sql: `SELECT run_id FROM \`${project}.${dataset}.runs\` ORDER BY started_at DESC LIMIT 1`,
    params: {},
  }) as Statement<never>;

/** A statement of a page, with the sandbox's names in place of the page's, as the project's owner. */
async function query({ deployment, owner }: Joined, text: string, run: string): Promise<Row[]> {
  const sql = text.replaceAll('my-project', deployment.project).replaceAll("'RUN'", `'${run}'`);
  return owner.query({ name: 'docs', sql, params: {} } as Statement<never>, {});
}

describe('README.md, from a clean clone', () => {
  const state = join(folder, 'readme');
  let joined: Joined | undefined;
  afterAll(() => joined?.sandbox.stop());
  let run = '';

  it('the two commands print what the page shows', async () => {
    const [block] = shellBlocks('README.md');
    expect(block?.commands).toEqual([
      ['npm', 'ci'],
      ['npm', 'run', 'trigger'],
    ]);
    const printed = await carryOut(['trigger'], state);
    expectPrinted(block?.shown ?? 'nothing shown', printed.replaceAll(state, '.reseal'));
    joined = await joinSandbox(state);
  });

  it('the SQL reads what the page shows', async () => {
    const shown = blocksOf('README.md').filter(({ after }) => after?.language === 'sql');
    expect(shown).toHaveLength(1);
    for (const { text, after } of shown) {
      const [head, ...rows] = text
        .trim()
        .split('\n')
        .map((line) => line.trim().split(/\s{2,}/));
      const read = (await query(joined as Joined, (after as Block).text, run)).map((row) =>
        head?.map((name) => row[name]),
      );
      expect(read).toEqual(expect.arrayContaining(rows));
    }
  });

  it('every command of its text and tables can be carried out in its order', async () => {
    const local = [...spansOf('README.md'), ...spansOf('docs/sandbox.md')]
      .map((span) => resealArguments(words(span)))
      .filter((given) => given !== undefined && given.length > 1 && isLocal(given)) as string[][];
    // That nothing is left out because the page is read wrongly.
    expect(local.length).toBeGreaterThanOrEqual(7);
    for (const given of local) await carryOut(given, state);
    const runs = JSON.parse(await carryOut(['history', '--json'], state));
    const stale = runs.find(({ mode }: { mode: string }) => mode === 'stale');
    expect(stale).toMatchObject({ state: 'succeeded' });
    run = stale.run_id;
  });

  it('the demo stores no plaintext', async () => {
    const stored = 'SELECT COUNT(decrypted_email) AS n FROM `my-project.encryption_poc.users`';
    expect(await query(joined as Joined, stored, run)).toEqual([{ n: '0' }]);
  });

  it.each(
    PAGES.filter((path) => !ELSEWHERE.includes(path)).flatMap((path) =>
      blocksOf(path)
        .filter(({ language }) => language === 'sql')
        .map(({ text }, at) => ({ path, at: at + 1, text })),
    ),
  )('statement $at of $path runs', async ({ text }) => {
    await query(joined as Joined, text, run);
  });
});

describe('docs/guide.md, against the sandbox in the place of a stack', () => {
  const state = join(folder, 'guide');
  let joined: Joined | undefined;
  beforeAll(async () => {
    joined = await joinSandbox(state);
    // A stack begins without users: the samples are a new sandbox's, and this one has settings already.
    writeFileSync(join(state, 'settings.json'), '{}');
  });
  afterAll(() => joined?.sandbox.stop());

  it('every command of a run does what the page shows, in its order', async () => {
    let shownBlocks = 0;
    for (const { commands, shown } of shellBlocks('docs/guide.md')) {
      let printed = '';
      for (const command of commands) {
        const given = resealArguments(command);
        if (given === undefined || given[0] === 'stack') continue;
        const [newest] = await (joined as Joined).owner.query(NEWEST_RUN(joined as Joined), {});
        printed += await carryOut(inSandbox(given, String(newest?.run_id)), state);
      }
      if (shown === undefined || printed === '') continue;
      shownBlocks++;
      expectPrinted(shown.replaceAll('dataproc engine', 'direct engine'), printed);
    }
    expect(shownBlocks).toBeGreaterThanOrEqual(10);
  });
});

it('docs/formats.md: its sample is sealed and read as the page shows', async () => {
  const blocks = blocksOf('docs/formats.md');
  writeFileSync(join(folder, 'sample.mjs'), blocks.find(({ language }) => language === 'js')?.text ?? '');
  const [block] = shellBlocks('docs/formats.md');
  let printed = '';
  for (const command of block?.commands ?? []) {
    const given = resealArguments(command);
    if (given === undefined) execFileSync(process.execPath, command.slice(1), { cwd: folder });
    else printed = await carryOut(given, join(folder, 'formats'));
  }
  expectPrinted(block?.shown ?? 'nothing shown', printed);
});

it('the seed’s behaviour is one setting away: the plaintext column filled', async () => {
  const state = join(folder, 'formats');
  const [setting] = spansOf('docs/sandbox.md').filter((span) => span.includes('storePlaintext=true'));
  const given = resealArguments(words(setting ?? '')) ?? [];
  expect(given).toContain('storePlaintext=true');
  await carryOut(given, state);
  const stored = await carryOut(['sql', 'SELECT decrypted_email FROM users ORDER BY id', '--csv'], state);
  expect(stored).toContain('ada@example.com\r\ngrace@example.com\r\nalan@example.com');
});
