import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ENGINES } from '../../jobs/contract/settings/choices.ts';
import { calmOf } from './calm.ts';
import { alone, anyCase, type FaultCase, KINDS, type Undisturbed } from './fault-cases.ts';
import { underFaults } from './faults.ts';
import { deployedWorld, type World } from './world.ts';

/** A part of `npm run chaos -- --faults N`, the same faults each time: none of them for ever, which takes its time. */
let world: World;
let undisturbed: Undisturbed;
beforeAll(async () => {
  world = await deployedWorld('direct');
  undisturbed = await calmOf(world, ENGINES);
});
afterAll(() => world?.close());

/** A run that failed once is not made to fail in smaller ways: each takes a second or more. */
const once = { endOnFailure: true };

const holds = async (one: FaultCase): Promise<void> => {
  const { wrong, ended } = await underFaults(world, undisturbed, one);
  expect(wrong, ended).toEqual([]);
};

it.each(KINDS)('a run under %s ends, with success or a code, and goes on', async (kind) => {
  await fc.assert(fc.asyncProperty(alone(kind, undisturbed), holds), { ...once, seed: 11, numRuns: 1 });
});

it('so does a run under two faults, by any engine', async () => {
  const pairs = anyCase(undisturbed).filter(({ rules }) => rules.length === 2);
  await fc.assert(fc.asyncProperty(pairs, holds), { ...once, seed: 74, numRuns: 4 });
});
