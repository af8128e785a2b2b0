import { expect, it } from 'vitest';
import { race } from './races.ts';

/** A small part of `npm run chaos -- --races N`. */
it.each([
  ['runs beside an application that changes, erases, deletes and inserts', 6, 1, true],
  ['two runs at once beside it', 4, 2, true],
  ['two runs at once', 2, 2, false],
  ['five runs at once', 5, 5, false],
])('%s leave the right table', async (_what, runs, together, writer) => {
  const { wrong, ends, writes } = await race({ rows: 24, runs, together, writer, seed: 5 });
  expect(wrong, JSON.stringify(ends)).toEqual([]);
  expect(ends.succeeded ?? 0).toBeGreaterThan(0);
  if (writer) expect(writes).toBeGreaterThan(runs);
});
