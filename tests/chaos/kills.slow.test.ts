import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Calm, calm } from './calm.ts';
import { chosen, described, trial } from './kills.ts';
import { deployedWorld, type World } from './world.ts';

/** A part of `npm run chaos -- --every --kills 300`: the same kills each time, some at calls, some at any moment. */
let world: World;
let undisturbed: Calm;
beforeAll(async () => {
  world = await deployedWorld('direct');
  undisturbed = await calm(world, 'direct');
});
afterAll(() => world?.close());

it('a run that is killed leaves the table as it was or merged whole, and one that goes on ends as if nothing had been', async () => {
  let reached = 0;
  for (const kill of chosen(undisturbed, 10, 7)) {
    const result = await trial(world, 'direct', kill, undisturbed.outcome);
    expect(result.wrong, described(kill)).toEqual([]);
    if (result.reached) reached++;
  }
  expect(reached).toBeGreaterThan(5);
});
