import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { sealedLines } from '../../jobs/engines/direct/sealed-lines.ts';
import { keyCapacity } from '../../jobs/engines/run-keys.ts';
import { newKeyset, serializeKeyset } from '../../jobs/envelope/keysets.ts';
import { PAGE_ROWS } from '../../jobs/google/bigquery.ts';
import { Page } from '../../jobs/google/page.ts';
import { aDeployment } from '../support/deployment.ts';

/** A key service keeps the keys of all pages that are under way: one that is evicted would fail its call. */
it.each([1, 3, 9])('there is room for the keys of the pages that %i at once come to', async (width) => {
  let begun = 0;
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  async function* pages() {
    for (let at = 0; at < 50; at++) yield new Page(['id'], [[String(at)]]);
  }
  const nothing = { ids: [], fields: [], cipherTexts: [], tokens: [], keyOf: [], deks: [], keys: [] };
  const lines = sealedLines(pages(), {
    deployment: { ...aDeployment(), keying: 'row' },
    runId: 'r',
    attempt: 'a',
    // The first page's keys take their time.
    async source() {
      if (++begun === 1) await gate;
      return nothing;
    },
    keyset: async () => serializeKeyset(newKeyset()),
    threads: { width, seal: async () => Buffer.from('\n'), close: async () => {} },
    progress: () => {},
  });
  const first = lines.next();
  await sleep(100);
  expect(begun).toBeGreaterThanOrEqual(width);
  expect(begun * PAGE_ROWS).toBeLessThanOrEqual(keyCapacity(width));
  release();
  await first;
  await lines.return(undefined);
});
