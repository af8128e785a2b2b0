import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { tinkOpen } from '../support/oracles/tink.ts';

interface Vector {
  kind: string;
  keyset?: string;
  ciphertext?: string;
  aad?: string;
  plaintext?: string;
}

beforeAll(() => ensureVenv(), 600_000);

test('Tink opens what it wrote and nothing else', async () => {
  const file = new URL('../fixtures/envelope.json', import.meta.url);
  const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] };
  const sealed = vectors.filter((vector) => vector.kind === 'sealed').slice(0, 3);
  const items = sealed.map(({ keyset = '', ciphertext = '', aad = '' }) => ({ keyset, ciphertext, aad }));
  const plain = sealed.map((vector) => Buffer.from(vector.plaintext ?? '').toString('base64'));
  const tampered = items.map((item) => ({ ...item, aad: `${item.aad}0` }));
  const answers = await tinkOpen([...items, ...tampered]);
  expect(answers.slice(0, 3)).toEqual(plain);
  for (const answer of answers.slice(3)) expect(answer).toEqual({ error: expect.any(String) });
  expect(await tinkOpen([{ keyset: 'AAAA', ciphertext: 'AAAA', aad: '' }])).toEqual([
    { error: expect.any(String) },
  ]);
});
