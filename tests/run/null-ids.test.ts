import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newRunId } from '../../jobs/contract/ids.ts';
import { ENGINES } from '../../jobs/contract/settings/choices.ts';
import { doctor, mayStart } from '../../jobs/doctor/examine.ts';
import { plan } from '../../jobs/run/plan.ts';
import { planSummary } from '../../jobs/run/summaries.ts';
import { importKek } from '../../sandbox/users/load.ts';
import { Application } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** A table of the application's own may have rows without an id: there is nothing that a value could be bound to. */

const ID = { STRING: "'x'", INT64: '1', DATE: "DATE '2026-01-02'" } as const;

describe.each(Object.keys(ID) as (keyof typeof ID)[])('a column of ids of %s that may be NULL', (idType) => {
  const application = new Application('gcm');
  const key = application.newKey();
  let box: TestSandbox;
  beforeAll(async () => {
    box = await testSandbox({ idType, engines: JSON.stringify(ENGINES) }, 'direct');
    await importKek(box.sandbox.owner, box.deployment, application.writeKek(box.folder));
    await box.sql('DROP TABLE users');
    await box.sql(
      `CREATE TABLE users (id ${idType}, cipher_text STRING, dek STRING, decrypted_email STRING, bq_encryption_key BYTES, bq_encrypted_email BYTES, resealed_at TIMESTAMP, resealed_from BYTES)`,
    );
    const row = (id: string, text: string | null): string =>
      `(${id}, ${text === null ? 'NULL' : `'${key.encrypt(text)}'`}, '${key.dek}')`;
    const rows = [row(ID[idType], 'a@example.com'), row('NULL', 'b@example.com'), row('NULL', null)];
    await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES ${rows.join(', ')}`);
  });
  afterAll(() => box.close());

  const planned = () =>
    plan(box.context, { runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' });
  /** What the doctor warns of. */
  const warnings = async () => {
    const findings = await doctor(box.context, box.sandbox.endpoints);
    expect(mayStart(findings)).toBe(true);
    return findings.filter(({ verdict }) => verdict === 'warning');
  };

  it('is told of by plan and doctor, with the number of rows that no run takes', async () => {
    const one = await planned();
    expect(one).toMatchObject({ selected: 1, rowsWithoutId: 1 });
    expect(planSummary(one)).toContain('1 row has a value and no id: no run takes it');
    expect(await warnings()).toEqual([
      {
        check: 'ids of encryption_poc.users',
        verdict: 'warning',
        found: '1 row has a value and no id: no run takes it',
        remedy: 'give each an id that no other row has, or delete them: WHERE id IS NULL finds them',
      },
    ]);
  });

  // One engine would do for the other types: the rows are left out by the same condition.
  it.each(idType === 'STRING' ? ENGINES : (['direct'] as const))(
    'holds up no run by the engine %s',
    async (engine) => {
      expect(await box.run({ engine, mode: 'all' })).toMatchObject({
        state: 'succeeded',
        selected: 1,
        merged: 1,
        changed_meanwhile: 0,
        read_back: { checked: 1, readable: 1 },
      });
      expect(await box.sql('SELECT id FROM users WHERE bq_encrypted_email IS NOT NULL')).toHaveLength(1);
      expect(await planned()).toMatchObject({ selected: 0, rowsWithoutId: 1 });
    },
  );

  it('is nothing to tell of once every row has an id', async () => {
    await box.sql('DELETE FROM users WHERE id IS NULL');
    expect(await planned()).toMatchObject({ rowsWithoutId: 0 });
    expect(await warnings()).toEqual([]);
  });
});
