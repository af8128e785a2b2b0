import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { DETERMINISTIC } from '../../jobs/contract/algorithms.ts';
import { deterministicAead } from '../../jobs/envelope/deterministic-aead.ts';
import { newKeyset, parseKeyset, rotateKeyset, serializeKeyset } from '../../jobs/envelope/keysets.ts';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { tinkDeterministicKeyset, tinkOpen, tinkSeal } from '../support/oracles/tink.ts';

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

test('Tink and deterministicAead seal values alike, under keysets of either', async () => {
  const own = rotateKeyset(newKeyset(DETERMINISTIC), DETERMINISTIC);
  const keysets = [serializeKeyset(own), await tinkDeterministicKeyset()];
  const texts = ['', 'a', 'ada@example.com', '16 bytes of text', 'søren@københavn.example', '😀'.repeat(500)];
  const items = keysets.flatMap((keyset) =>
    texts.flatMap((text) => ['', 'email'].map((aad) => ({ keyset, text, aad }))),
  );
  const sealed = items.map(({ keyset, text, aad }) =>
    deterministicAead(parseKeyset(keyset)).seal(Buffer.from(text), Buffer.from(aad)).toString('base64'),
  );
  const common = (at: number) => ({
    keyset: items[at]?.keyset.toString('base64') ?? '',
    aad: items[at]?.aad ?? '',
    deterministic: true,
  });
  const plain = items.map(({ text }) => Buffer.from(text).toString('base64'));
  expect(await tinkSeal(plain.map((plaintext, at) => ({ ...common(at), plaintext })))).toEqual(sealed);
  expect(await tinkOpen(sealed.map((ciphertext, at) => ({ ...common(at), ciphertext })))).toEqual(plain);
  const moved = sealed.map((ciphertext, at) => ({ ...common(at), ciphertext, aad: 'phone' }));
  for (const answer of await tinkOpen(moved)) expect(answer).toEqual({ error: expect.any(String) });
});
