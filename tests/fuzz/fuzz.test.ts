import { expect, it } from 'vitest';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { fuzz } from './fuzz.ts';

/** A small part of `npm run fuzz`, the same inputs each time. */
it('no mutated input makes anything fail, and none is taken for what nobody encrypted', async () => {
  expect(await fuzz({ inputs: 3000, seed: 13, python: await ensureVenv() })).toEqual([]);
}, 900_000);
