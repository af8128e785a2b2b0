import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Calm, calm } from './calm.ts';
import { alone, anyCase, type FaultCase, type Faulted, KINDS, underFaults } from './faults.ts';
import { deployedWorld, type World } from './world.ts';

/** A part of `npm run chaos -- --faults N`, the same faults each time: none of them for ever, which takes its time. */
let world: World;
let undisturbed: Record<Faulted, Calm>;
beforeAll(async () => {
  world = await deployedWorld('direct');
  undisturbed = { direct: await calm(world, 'direct'), dataproc: await calm(world, 'dataproc') };
});
afterAll(() => world?.close());

/** A run that failed once is not made to fail in smaller ways: each takes a second or more. */
const once = { seed: 11, endOnFailure: true };

const holds = async (one: FaultCase): Promise<void> => {
  const { wrong, ended } = await underFaults(world, undisturbed[one.engine], one);
  expect(wrong, ended).toEqual([]);
};

it.each(KINDS)('a run under %s ends, with success or a code, and goes on', async (kind) => {
  await fc.assert(fc.asyncProperty(alone(kind, undisturbed), holds), { ...once, numRuns: 1 });
});

it('so does a run under two faults', async () => {
  const pairs = anyCase(undisturbed).filter(({ rules }) => rules.length === 2);
  await fc.assert(fc.asyncProperty(pairs, holds), { ...once, numRuns: 4 });
});
