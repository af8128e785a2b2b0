import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PAGES } from '../support/pages.ts';
import { runEngine } from '../support/pulumi/engine.ts';
import { configOf } from '../support/pulumi/program.ts';

/** A URN of a page, without the stack's name, which is the reader's. */
const URN = /urn:pulumi:\w+::(reseal::[\w:$/-]+)/g;

it('every URN that a page names is one of the program’s', async () => {
  const named = PAGES.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(URN)].map(([, urn = '']) => urn),
  );
  expect(named.length).toBeGreaterThan(0);
  const { registered } = await runEngine('prod', configOf('prod'), true);
  const there = registered.map(({ urn }) => urn.replace('urn:pulumi:stack::', ''));
  expect(there).toEqual(expect.arrayContaining(named));
});
