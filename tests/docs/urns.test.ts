import { readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { blocksOf, commandsIn, PAGES, spansOf } from '../support/pages.ts';
import { runEngine } from '../support/pulumi/engine.ts';
import { configOf } from '../support/pulumi/program.ts';

/** What the pages have Pulumi do to single resources: their URNs, behind the stack's name, which is the reader's. */

const urnOf = (text: string): string => /urn:pulumi:\w+::([\w:$/-]+)/.exec(text)?.[1] ?? '';

let there: string[];
beforeAll(async () => {
  const engines = ['dataproc', 'bigquery'];
  const { registered } = await runEngine('prod', configOf('prod', { 'reseal:engines': engines }), true);
  there = registered.map(({ urn }) => urnOf(urn));
});

it('every URN that a page names is one of the program’s', () => {
  const named = PAGES.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/urn:pulumi:[\w:$/-]+/g)].map(([urn]) => urnOf(urn)),
  );
  expect(named.length).toBeGreaterThan(0);
  expect(there).toEqual(expect.arrayContaining(named));
});

it('what a page imports comes to where the program has it', () => {
  const commands = PAGES.flatMap((page) => [
    ...blocksOf(page).flatMap(({ text }) => commandsIn(text)),
    ...spansOf(page).flatMap(commandsIn),
  ]);
  const imported = commands
    .filter(([tool, command, type]) => tool === 'pulumi' && command === 'import' && type !== undefined)
    .map(([, , type, name, ...rest]) => {
      const [project, parent = ''] = urnOf(rest[rest.indexOf('--parent') + 1] ?? '').split('::');
      return `${project}::${parent}$${type}::${name}`;
    });
  expect(imported.length).toBeGreaterThan(0);
  expect(there).toEqual(expect.arrayContaining(imported));
});
