import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { KEYINGS } from '../../jobs/contract/settings/choices.ts';
import { type KeyCounts, sealedKeys } from '../../jobs/engines/bigquery/sealed-keys.ts';
import { aead } from '../../jobs/envelope/aead.ts';
import { asDataKey } from '../../jobs/envelope/brands.ts';
import { newKeyset, serializeKeyset } from '../../jobs/envelope/keysets.ts';
import { Page } from '../../jobs/google/page.ts';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { Application } from '../support/application.ts';
import { tinkOpen } from '../support/oracles/tink.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

let box: TestSandbox | undefined;
beforeAll(() => ensureVenv(), 600_000);
afterAll(() => box?.close());

it("Tink opens the keys that BigQuery is handed, and with them the application's values", async () => {
  const keyset = newKeyset();
  for (const format of ['gcm', 'tink', 'tink-envelope'] as const) {
    const application = new Application(format);
    const key = application.newKey();
    const counts: KeyCounts = { keys: 0, inJob: 0 };
    const sealing = {
      runId: 'run-1',
      keySet: 'keys-1',
      format,
      unwrap: async () => asDataKey(key.unwrapped),
      aead: aead(keyset),
    };
    const pages = (async function* () {
      yield new Page(['wrapped'], [[randomBytes(60).toString('base64')]]);
    })();
    let line = '';
    for await (const lines of sealedKeys(pages, sealing, counts)) line += lines;
    expect(counts).toEqual({ keys: 1, inJob: 0 });
    const { sealed, name } = JSON.parse(line) as { sealed: string; name: string };
    const aad = `run-1\n${Buffer.from(name, 'base64').toString('hex')}`;
    const [opener] = await tinkOpen([
      { keyset: serializeKeyset(keyset).toString('base64'), ciphertext: sealed, aad },
    ]);
    const text = Buffer.from(key.encrypt('ada@example.com'), 'base64');
    // The envelope's payload stands behind the wrapped key and its length.
    const ciphertext = format === 'tink-envelope' ? text.subarray(4 + text.readUInt32BE(0)) : text;
    const opened = await tinkOpen([
      { keyset: String(opener), ciphertext: ciphertext.toString('base64'), aad: '' },
    ]);
    expect(opened).toEqual([Buffer.from('ada@example.com').toString('base64')]);
  }
}, 60_000);

it.each(KEYINGS)(
  'Tink opens what is staged inside BigQuery with %s keying',
  async (keying) => {
    await box?.close();
    box = await testSandbox({ keying });
    const application = new Application('gcm');
    const key = application.newKey();
    const rows = ['1', '2'].map((id) => ({
      id,
      cipher_text: key.encrypt(`${id}@example.com`),
      dek: key.dek,
    }));
    await box.load(application, rows);
    await box.run({ engine: 'bigquery' });
    const [{ wrapped } = { wrapped: '' }] = await box.sql('SELECT wrapped FROM keysets');
    const answer = await fetch(`${box.sandbox.endpoints.kms}/v1/${box.deployment.bigqueryKek}:decrypt`, {
      method: 'POST',
      headers: { authorization: `Bearer ${box.sandbox.owner.accessToken}` },
      body: JSON.stringify({ ciphertext: wrapped }),
    });
    const { plaintext: keyset } = (await answer.json()) as { plaintext: string };
    const sealed = await box.sql('SELECT id, bq_encryption_key, bq_encrypted_email FROM users ORDER BY id');
    const openers =
      keying === 'row'
        ? await tinkOpen(
            sealed.map((row) => ({ keyset, ciphertext: String(row.bq_encryption_key), aad: String(row.id) })),
          )
        : [];
    const opened = await tinkOpen(
      sealed.map((row, at) => ({
        keyset: keying === 'row' ? String(openers[at]) : keyset,
        ciphertext: String(row.bq_encrypted_email),
        aad: keying === 'deterministic' ? 'email' : String(row.id),
        deterministic: keying === 'deterministic',
      })),
    );
    expect(opened).toEqual(rows.map(({ id }) => Buffer.from(`${id}@example.com`).toString('base64')));
  },
  60_000,
);
