import type { ResourceHookArgs } from '@pulumi/pulumi';
import { expect, it } from 'vitest';
import { droppedColumns, keepColumns } from '../../infra/keeps-columns.ts';
import { sourceColumns } from '../../jobs/contract/tables.ts';
import { aDeployment } from '../support/deployment.ts';
import { runEngine } from '../support/pulumi/engine.ts';
import { configOf } from '../support/pulumi/program.ts';

const schema = (...names: string[]): string =>
  JSON.stringify(names.map((name) => ({ name, type: 'STRING' })));

const update = (before: unknown, after: unknown): void | Promise<void> =>
  keepColumns({
    oldOutputs: { schema: before },
    newInputs: { schema: after, tableId: 'users' },
  } as unknown as ResourceHookArgs);

it('lets columns be added, in any order and however they are written', () => {
  expect(droppedColumns(schema('ID', 'dek'), schema('phone', 'dek', 'id'))).toEqual([]);
  expect(() => update(schema('id'), schema('id', 'phone'))).not.toThrow();
});

it('refuses to drop one, and says which', () => {
  expect(() => update(schema('id', 'dek', 'Note'), schema('id'))).toThrow(
    /^this update would drop dek, Note of users, with all that these columns hold: leave their field in reseal:fields/,
  );
});

it('refuses to give up a field', () => {
  const { idColumn, idType, fields } = aDeployment();
  const [email] = fields;
  if (email === undefined) throw new Error('the deployment has no field');
  const phone = Object.fromEntries(
    Object.entries(email).map(([key, value]) => [key, typeof value === 'string' ? `phone_${value}` : value]),
  ) as typeof email;
  const of = (...given: (typeof email)[]) =>
    JSON.stringify(sourceColumns({ idColumn, idType, fields: given }));
  expect(() => update(of(email, phone), of(email))).toThrow(/phone_/);
  expect(() => update(of(email), of(email, phone))).not.toThrow();
});

it('has nothing to say of a table whose columns the state does not know', () => {
  expect(() => update(undefined, schema('id'))).not.toThrow();
});

it('stands before every update of the source table, and of no other', async () => {
  const { registered } = await runEngine('dev', configOf('dev'), false);
  const guarded = registered.filter(({ beforeUpdate }) => beforeUpdate.includes('keeps-columns'));
  expect(guarded.map(({ type, name }) => [type, name])).toEqual([['gcp:bigquery/table:Table', 'source']]);
});
