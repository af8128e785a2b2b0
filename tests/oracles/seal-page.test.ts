import { beforeAll, expect, it } from 'vitest';
import { algorithmOf } from '../../jobs/contract/algorithms.ts';
import { KEYINGS } from '../../jobs/contract/settings/choices.ts';
import { sealPage } from '../../jobs/engines/direct/seal-page.ts';
import { newKeyset, rotateKeyset, serializeKeyset } from '../../jobs/envelope/keysets.ts';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { Application } from '../support/application.ts';
import { ndjson } from '../support/cli.ts';
import { tinkOpen } from '../support/oracles/tink.ts';

beforeAll(() => ensureVenv(), 600_000);

interface Line {
  id: string;
  bq_encryption_key: string;
  bq_encrypted_email: string;
}

it.each(KEYINGS)('what the direct engine seals with %s keying, official Tink opens', async (keying) => {
  const texts = ['ada@example.com', '', 'søren@københavn.example', '😀'.repeat(500)];
  const ids = ['1', '-5', '9007199254740993', '9223372036854775807'];
  const key = new Application('gcm').newKey();
  const algorithm = algorithmOf(keying);
  const keyset = serializeKeyset(rotateKeyset(newKeyset(algorithm), algorithm));
  const setup = {
    runId: 'a-run',
    attempt: 'an-attempt',
    sourceFormat: 'gcm' as const,
    unauthenticated: 'reject' as const,
    valuePatterns: {},
    keying,
    storePlaintext: false,
    keyset,
  };
  const page = {
    ids,
    fields: ids.map(() => 'email'),
    cipherTexts: texts.map((text) => key.encrypt(text)),
    tokens: ids.map(() => ''),
    keyOf: ids.map(() => 0),
    deks: [key.dek],
    keys: [Uint8Array.from(key.unwrapped)],
  };
  const rows = ndjson<Line>(sealPage(setup, page).toString());
  const first = keyset.toString('base64');
  let keysets: unknown[] = rows.map(() => first);
  if (keying === 'row')
    keysets = await tinkOpen(
      rows.map((row) => ({ keyset: first, ciphertext: row.bq_encryption_key, aad: row.id })),
    );
  const opened = await tinkOpen(
    rows.map((row, at) => ({
      keyset: String(keysets[at]),
      ciphertext: row.bq_encrypted_email,
      aad: keying === 'deterministic' ? 'email' : row.id,
      deterministic: keying === 'deterministic',
    })),
  );
  expect(opened).toEqual(texts.map((text) => Buffer.from(text).toString('base64')));
});
