import { afterAll, expect, it } from 'vitest';
import { sealingThreads } from '../../jobs/engines/direct/threads.ts';
import { AES_GCM_TYPE_URL, serializeKeyset } from '../../jobs/envelope/keysets.ts';

const ENOUGH_FOR_THREADS = 20_000;
const threads = sealingThreads(ENOUGH_FOR_THREADS);
afterAll(() => threads.close());

const first = { id: 1, typeUrl: AES_GCM_TYPE_URL, aes: new Uint8Array(32), siv: null };
const keyset = serializeKeyset({ primaryKeyId: 1, keys: [{ ...first, enabled: true, tinkPrefix: true }] });
const setup = { runId: 'run', attempt: 'a', sourceFormat: 'gcm', unauthenticated: 'reject' } as const;
const stack = { valuePatterns: {}, keying: 'shared', storePlaintext: false } as const;
const columns = { ids: ['1'], fields: ['email'], cipherTexts: [''], tokens: [''], keyOf: [0], deks: ['dek'] };

it('are given copies of the data keys, and those of the page are wiped, too', async () => {
  const keys = [new Uint8Array(32).fill(7), 'dek-refused' as const];
  const lines = await threads.seal({ ...setup, ...stack, keyset }, { ...columns, keys });
  expect(Buffer.from(lines).toString()).toContain('"reason":"truncated"');
  expect(keys).toEqual([new Uint8Array(32), 'dek-refused']);
});

it('are given none that outlives a page that could not be sealed', async () => {
  const keys = [new Uint8Array(32).fill(7)];
  const broken = threads.seal({ ...setup, ...stack, keyset: new Uint8Array(3) }, { ...columns, keys });
  await expect(broken).rejects.toThrow();
  expect(keys).toEqual([new Uint8Array(32)]);
});
