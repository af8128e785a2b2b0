import { readFileSync } from 'node:fs';
import { type Command, CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { settingsSchema } from '../../infra/settings/schema.ts';
import { loadSettings } from '../../infra/settings.ts';
import { commands } from '../../jobs/cli/commands.ts';
import { blocksOf, commandsIn, PAGES, resealArguments, spansOf, words } from '../support/pages.ts';

/** Commands, options, scripts and settings that the pages name are there. The commands themselves run elsewhere. */

const scripts = Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).scripts);
const settings = Object.keys(settingsSchema.shape);

/** The tools of others, as far as pages use them: what they do, and the options for it. */
const OTHERS: Readonly<Record<string, readonly string[]>> = {
  'pulumi login': [],
  'pulumi stack': ['--stack', '--show-urns'],
  'pulumi state unprotect': ['--stack'],
  'pulumi state delete': ['--stack', '--force', '--target-dependents'],
  'pulumi stack init': [],
  'pulumi stack ls': [],
  'pulumi stack output': ['--stack'],
  'pulumi config set': ['--stack', '--path', '--secret'],
  'pulumi preview': ['--stack', '--policy-pack', '--refresh'],
  'pulumi up': ['--stack', '--policy-pack', '--refresh'],
  'pulumi destroy': ['--stack'],
  'pulumi import': ['--parent', '--stack'],
  'gcloud auth application-default login': [],
  'gcloud auth application-default set-quota-project': [],
  'gcloud services enable': ['--project'],
  'gcloud projects create': [],
  'gcloud billing projects link': ['--billing-account'],
  'gcloud compute regions describe': ['--project', '--format'],
  'gcloud dataproc batches describe': ['--region', '--project'],
  'gcloud scheduler jobs delete': ['--location', '--project'],
  'gcloud workflows delete': ['--location', '--project'],
  'gcloud run jobs delete': ['--region', '--project'],
  'gcloud run jobs describe': [],
  'gcloud workflows run': ['--location', '--data', '--project'],
  'gcloud workflows execute': ['--location', '--data', '--project'],
  'gcloud beta monitoring channels list': ['--project', '--format'],
  'gcloud projects add-iam-policy-binding': ['--member', '--role', '--condition'],
  'gcloud kms encrypt': [],
  'gcloud kms keys update': ['--keyring', '--location', '--project', '--remove-rotation-schedule'],
  'gcloud kms keys versions list': ['--key', '--keyring', '--location', '--project'],
  'gcloud kms keys versions destroy': ['--key', '--keyring', '--location', '--project'],
  'gcloud kms keys versions restore': [],
  'gcloud kms keys add-iam-policy-binding': ['--keyring', '--location', '--member', '--role', '--project'],
  'bq show': ['-j'],
  'bq query': ['--use_legacy_sql', '--format', '--max_rows', '--parameter', '--project_id'],
};

/** In place of what a page leaves open, something that every option takes; what may be left out is written out. */
const filledIn = (text: string): string =>
  text
    .replaceAll(/(?<=^|\s)\[+|\]+(?=\s|\.\.\.|$)/gm, '')
    .replaceAll(/(?<=\S)\.\.\./g, '')
    .replaceAll(/\b(?:N|ROWS|DEKS)\b/g, '1')
    .replaceAll(/\b(?:RUN|NAME|FILE|FOLDER|ID)\b/g, 'something');

/** The command line as it is, but that nothing is done. */
function idle(): Command {
  const program = commands('0.0.0');
  const silence = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
    if (command.commands.length === 0) command.action(() => {});
    command.commands.forEach(silence);
  };
  silence(program);
  return program;
}

/** What is wrong with a command; null if nothing is, or if it is no command that anybody here knows. */
function fault(command: readonly string[]): string | null {
  const reseal = resealArguments(command);
  if (reseal !== undefined) return resealFault(reseal);
  const [tool, second = '', third = ''] = command;
  if (tool === 'npm')
    return second === 'run' && /^\w/.test(third) && !scripts.includes(third) ? `no script ${third}` : null;
  if (tool !== 'pulumi' && tool !== 'gcloud' && tool !== 'bq') return null;
  const known = Object.keys(OTHERS)
    .filter((name) => `${command.join(' ')} `.startsWith(`${name} `))
    .sort((a, b) => b.length - a.length)[0];
  // A tool's bare name, as `pulumi` in a sentence.
  if (known === undefined) return command.length === 1 ? null : 'not among the commands of others';
  const keys = command.map((word) => /^reseal:([a-z]\w*)/.exec(word)?.[1]).filter((key) => key !== undefined);
  const missing = keys.find((key) => !settings.includes(key));
  if (missing !== undefined) return `no setting ${missing}`;
  const unknown = command
    .filter((word) => word.startsWith('-'))
    .map((word) => word.split('=')[0] ?? '')
    .filter((option) => !OTHERS[known]?.includes(option));
  return unknown.length === 0 ? null : `no option ${unknown.join(', ')}`;
}

function resealFault(given: readonly string[]): string | null {
  if (given.length === 0 || given.includes('COMMAND')) return null;
  try {
    idle().parse(given, { from: 'user' });
    const setting = given[given.indexOf('--setting') + 1]?.split('=')[0] ?? '';
    return given.includes('--setting') && !settings.includes(setting) ? `no setting ${setting}` : null;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and the version; a command that a sentence names without what it is given.
    const fine = error.exitCode === 0 || (error.code === 'commander.missingArgument' && given.length === 1);
    return fine ? null : error.message;
  }
}

describe.each([...PAGES, 'CONTRIBUTING.md'])('%s', (path) => {
  it('shows commands and options that are there', () => {
    const inBlocks = blocksOf(path)
      .filter(({ language }) => language === 'sh' || language === '')
      .flatMap(({ text }) => commandsIn(filledIn(text)));
    const inText = spansOf(path).map((span) => words(filledIn(span)));
    const wrong = [...inBlocks, ...inText].map((command) => [command.join(' '), fault(command)]);
    expect(wrong.filter(([, what]) => what !== null)).toEqual([]);
  });

  it('names settings that are there', () => {
    const named = [...readFileSync(path, 'utf8').matchAll(/(?<![\w:])reseal:([a-z]\w*)/g)].map(
      ([, key]) => key ?? '',
    );
    expect(named.filter((key) => !settings.includes(key))).toEqual([]);
  });
});

/** What a page's commands set together, stack by stack, and what each of its YAML blocks sets. */
function settingsOf(path: string): Record<string, string>[] {
  const byStack = new Map<string, Record<string, string>>();
  const blocks = blocksOf(path);
  for (const command of blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => commandsIn(text))) {
    const [tool, , set, key = '', value = '', ...rest] = command;
    if (tool !== 'pulumi' || set !== 'set' || !key.startsWith('reseal:')) continue;
    byStack.set(rest.join(' '), { ...byStack.get(rest.join(' ')), [key]: value });
  }
  const files = blocks
    .filter(({ language }) => language === 'yaml')
    .map(({ text }) => (parse(text) as { config?: Record<string, unknown> }).config)
    .filter((config) => config !== undefined)
    .map((config) => Object.entries(config))
    .map((entries) =>
      entries.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
    )
    .map((entries) => Object.fromEntries(entries) as Record<string, string>);
  return [...byStack.values(), ...files];
}

it('the program takes what the pages set', () => {
  const all = PAGES.flatMap(settingsOf);
  expect(all.length).toBeGreaterThanOrEqual(5);
  // A page that sets no project is about a stack that has one; a partition column is a table's of the reader's own.
  for (const given of all) {
    const own = 'reseal:partitionColumn' in given ? { 'reseal:createSourceTable': 'false' } : {};
    loadSettings({ 'reseal:project': 'my-project', ...own, ...given }, 'dev');
  }
  expect(() => loadSettings({ 'reseal:project': 'my-project', 'reseal:keying': 'rows' }, 'dev')).toThrow();
});

describe('what the pages are held against', () => {
  it.each([
    ['npm run reseal -- read --rows 3', "error: unknown option '--rows'"],
    ['npm run trigger -- --engine spark', /is invalid/],
    ['reseal forget 42', "error: unknown command 'forget'"],
    ['npm run demo', 'no script demo'],
    ['pulumi config set reseal:dataSet users', 'no setting dataSet'],
    ['pulumi up --everything', 'no option --everything'],
    ['npm run trigger -- --setting keeping=row', 'no setting keeping'],
  ])('%s is found out', (line, what) => {
    expect(fault(words(line))).toMatch(what);
  });
});
