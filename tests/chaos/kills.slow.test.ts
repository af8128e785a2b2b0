import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Calm, calm } from './calm.ts';
import { chosen, described, trial } from './kills.ts';
import { deployedWorld, type World } from './world.ts';

/** A part of `npm run chaos -- --every --kills 300`: the same kills each time, some at calls, some at any moment. */
describe.each([
  ['at once', null, 8],
  ['in waves', 1, 4],
])('a run %s that is killed', (_how, waveDeks, kills) => {
  let world: World;
  let undisturbed: Calm;
  beforeAll(async () => {
    world = await deployedWorld('direct', waveDeks);
    undisturbed = await calm(world, 'direct');
  });
  afterAll(() => world?.close());

  it('leaves what its ledger says, and ends as if nothing had been when it goes on', async () => {
    let reached = 0;
    for (const kill of chosen(undisturbed, kills, 7)) {
      const result = await trial(world, 'direct', kill, undisturbed.outcome);
      expect(result.wrong, described(kill)).toEqual([]);
      if (result.reached) reached++;
    }
    // Of those at a moment some come when the run is over.
    expect(reached).toBeGreaterThan(0);
  }, 600_000);
});
