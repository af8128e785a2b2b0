import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IdType } from '../../jobs/contract/settings/choices.ts';
import { statements } from '../../jobs/contract/sql/index.ts';
import type { Row } from '../../jobs/google/bigquery.ts';
import { newestChains } from '../../jobs/run/keyset.ts';
import { importKek, loadUsers } from '../../sandbox/users/load.ts';
import { Application } from './application.ts';
import type { TestSandbox } from './sandbox.ts';

/** A stack of which nothing is called as it is by default: three fields a row, names that are words of SQL among them. */
export const RENAMED = {
  dataset: 'crm',
  sourceTable: 'customers',
  destinationTable: 'waiting',
  rejectedTable: 'not_taken',
  shreddedTable: 'gone',
  keysetsTable: 'keyrings',
  dataKeysTable: 'passing_keys',
  runsTable: 'ledger',
  readDataset: 'crm_clear',
  readView: 'everybody',
  readProcedure: 'read_everybody',
  idColumn: 'order',
  fields: JSON.stringify([
    {
      name: 'mail',
      cipherText: 'group',
      dek: 'key_of_row',
      plaintext: 'mail_clear',
      key: 'from',
      sealed: 'where',
      resealedAt: 'mail_at',
      resealedFrom: 'select',
    },
    { name: 'phone', dek: 'key_of_row' },
    { name: 'note' },
  ]),
};

/** Ids of each type in ascending order, as BigQuery writes them in texts. */
export const IDS: Readonly<Record<IdType, readonly string[]>> = {
  INT64: ['-9223372036854775808', '-5', '0', '9007199254740993', '9223372036854775807'],
  STRING: ['', '\n', '\'"`\\', '<=a b', 'größe', '\u{1f600}'],
  NUMERIC: ['-1.5', '0', '0.000000001', '1.2', '100', '99999999999999999999999999999'],
  BOOL: ['false', 'true'],
  DATE: ['0001-01-01', '1969-12-31', '2024-02-29', '9999-12-31'],
  DATETIME: [
    '1969-12-31 23:59:59',
    '2024-02-29 03:04:05',
    '2024-02-29 03:04:05.100',
    '2024-02-29 03:04:05.123456',
  ],
  TIMESTAMP: ['1969-12-31 23:59:59.999999+00', '2024-02-29 03:04:05+00', '2024-02-29 03:04:05.120+00'],
};

/** What a row of customers reads as: the note of the first one does not open. */
export const clear = (at: number): Record<'mail' | 'phone' | 'note', string | null> => ({
  mail: `mail${at}@example.com`,
  phone: `+44 ${at}`,
  note: at === 0 ? null : `note ${at}`,
});

/** Loads customers with such ids. */
export async function loadCustomers(box: TestSandbox, ids: readonly string[]): Promise<void> {
  const application = new Application();
  const [shared, own] = [application.newKey(), application.newKey()];
  const rows = ids.map((id, at) => ({
    order: id,
    group: shared.encrypt(clear(at).mail ?? ''),
    phone_cipher_text: shared.encrypt(clear(at).phone ?? ''),
    key_of_row: shared.dek,
    note_cipher_text: at === 0 ? 'no base64' : own.encrypt(clear(at).note ?? ''),
    note_dek: own.dek,
  }));
  const path = join(box.folder, 'customers.ndjson');
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  await importKek(box.sandbox.owner, box.deployment, application.writeKek(box.folder));
  await loadUsers(box.sandbox.owner, box.deployment, path);
}

/** What `reseal read` shows, by id. */
export async function readCustomers({ context }: TestSandbox): Promise<Record<string, object>> {
  const chains = await newestChains(context);
  if (chains === null) throw new Error('no run has made a keyset');
  const values = { ...chains, row_limit: 100 };
  const rows = await context.bigquery.query(statements(context.deployment).readValues, values);
  return Object.fromEntries(rows.map(({ id, mail, phone, note }) => [id, { mail, phone, note }]));
}

/** What the procedure shows, by id as text. */
export async function callProcedure(box: TestSandbox): Promise<Row[]> {
  const { project, readDataset, readProcedure } = box.deployment;
  return box.sql(`CALL \`${project}.${readDataset}.${readProcedure}\`()`);
}

/** All of them. */
export const allClear = (ids: readonly string[]): Record<string, object> =>
  Object.fromEntries(ids.map((id, at) => [id, clear(at)]));
