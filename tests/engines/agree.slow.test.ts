import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SOURCE_FORMATS } from '../../jobs/contract/settings/choices.ts';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { Application, type ApplicationKey, type UserRow } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

const ROWS = 400;

beforeAll(() => ensureVenv(), 900_000);

/** Rows as applications leave them, good ones and every kind of damage that anybody thought of. */
function table(application: Application): UserRow[] {
  const keys = Array.from({ length: 8 }, (_, at) => {
    const key = application.newKey();
    return at % 2 === 0 ? key : { ...key, dek: Buffer.from(key.dek, 'base64').toString('hex') };
  });
  const short = randomBytes(17);
  const odd = [
    '',
    'no base64!',
    'abc',
    application.wrap(short).toString('base64'),
    application.wrap(Buffer.alloc(0)).toString('hex'),
    randomBytes(60).toString('base64'),
    randomBytes(60).toString('hex').toUpperCase(),
  ];
  const text = fc.oneof(
    fc.emailAddress().map((email) => Buffer.from(email)),
    fc.string({ unit: 'binary' }).map((any) => Buffer.from(any)),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  );
  const cipherText = (key: ApplicationKey) =>
    fc.oneof(
      { weight: 6, arbitrary: text.map((plain) => key.encrypt(plain)) },
      { weight: 1, arbitrary: fc.base64String() },
      {
        weight: 1,
        arbitrary: fc.tuple(fc.base64String(), fc.base64String()).map((parts) => parts.join('.')),
      },
      { weight: 1, arbitrary: fc.string() },
      {
        weight: 2,
        arbitrary: fc
          .tuple(text, fc.nat(), fc.constantFrom('A', '.', '=', '\n', 'é', ''))
          .map(([plain, at, junk]) => {
            const good = key.encrypt(plain);
            const place = at % good.length;
            return good.slice(0, place) + junk + good.slice(place + 1);
          }),
      },
    );
  const row = fc.constantFrom(...keys).chain((key) =>
    fc.record({
      id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
      cipher_text: cipherText(key),
      dek: fc.oneof(
        { weight: 8, arbitrary: fc.constant(key.dek) },
        { weight: 1, arbitrary: fc.constantFrom(...odd) },
      ),
    }),
  );
  const rows = fc.sample(row, ROWS);
  return [...new Map(rows.map((one) => [one.id, one])).values()];
}

describe.each(SOURCE_FORMATS)('%s: the batch and the direct engine', (sourceFormat) => {
  let box: TestSandbox;
  // Both keyings seal the same values, so half of the formats try each.
  const keying = sourceFormat.startsWith('tink') ? 'shared' : 'row';
  // The wrapped keyset is the same for all; a row's own key never is.
  const columns = `id, decrypted_email, resealed_from${keying === 'shared' ? ', bq_encryption_key' : ''}`;
  beforeAll(async () => {
    box = await testSandbox({
      sourceFormat,
      keying,
      storePlaintext: 'true',
      maxRejectedShare: '1',
      valuePattern: '(?s).{0,40}',
    });
    const application = new Application(sourceFormat);
    await box.load(application, table(application));
  });
  afterAll(() => box.close());

  it('open the same rows to the same values and reject the others for the same reasons', async () => {
    const outcome = async (engine: 'direct' | 'dataproc') => {
      const report = await box.run({ engine, mode: 'all' });
      expect(report.read_back.readable).toBe(report.read_back.checked);
      const rejected = await box.sql(
        `SELECT id, reason, dek_fingerprint, rejected_from FROM users_rejected WHERE run_id = '${report.run_id}' ORDER BY id`,
      );
      const users = await box.sql(`SELECT ${columns} FROM users ORDER BY id`);
      const { selected, distinct_deks, staged, unauthenticated, merged, reasons, kms_calls } = report;
      const counts = { selected, distinct_deks, staged, unauthenticated, merged, reasons, kms_calls };
      return { ...counts, rejected, users };
    };
    const direct = await outcome('direct');
    expect(direct.staged).toBeGreaterThan(ROWS / 8);
    expect(direct.rejected.length).toBeGreaterThan(ROWS / 20);
    expect(direct.reasons['value-pattern']).toBeGreaterThan(0);
    expect((direct.unauthenticated ?? 0) > 0).toBe(sourceFormat === 'dotted');
    await box.sql(
      // A sealed value without its key would be a shredded one.
      `UPDATE users SET decrypted_email = NULL, bq_encryption_key = NULL, bq_encrypted_email = NULL,
        resealed_at = NULL, resealed_from = NULL WHERE TRUE`,
    );
    expect(await outcome('dataproc')).toEqual(direct);
  });

  // How a batch tells stale values from others is the same for every format.
  if (sourceFormat === 'gcm')
    it('take the same values for stale', async () => {
      await box.sql(
        'UPDATE users SET resealed_at = CURRENT_TIMESTAMP() WHERE MOD(id, 2) = 0 AND resealed_from IS NOT NULL',
      );
      const [{ n } = { n: null }] = await box.sql(
        'SELECT COUNT(*) AS n FROM users WHERE MOD(id, 2) = 0 AND resealed_from IS NOT NULL',
      );
      expect(Number(n)).toBeGreaterThan(ROWS / 20);
      const stale = await box.run({ engine: 'dataproc', mode: 'stale' });
      expect(stale).toMatchObject({ selected: Number(n), merged: Number(n) });
    });
});
