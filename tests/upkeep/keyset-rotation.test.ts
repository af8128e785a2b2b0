import { afterAll, beforeAll, expect, it } from 'vitest';
import { rotate } from '../../jobs/upkeep/keyset-rotation.ts';
import { keysets } from '../../jobs/upkeep/known-keysets.ts';
import { Application, usersUnder } from '../support/application.ts';
import { interruptedAt } from '../support/interrupted.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

let box: TestSandbox;
const application = new Application();
const key = application.newKey();
const users = usersUnder(key);

beforeAll(async () => {
  box = await testSandbox();
});
afterAll(() => box.close());

const shown = async () =>
  (await keysets(box.context)).map(({ version, values, seals }) => ({ version, values, seals }));

it('there is nothing to show or rotate before the first run', async () => {
  expect(await keysets(box.context)).toEqual([]);
  await expect(rotate(box.context)).rejects.toMatchObject({ code: 'nothing-resealed' });
});

it('versions stand side by side with the values under each, and all of them read', async () => {
  await box.load(application, users(1, 5));
  await box.run();
  expect(await shown()).toEqual([{ version: 1, values: 5, seals: 5 }]);
  // Two at once make one version.
  expect(await Promise.all([rotate(box.context), rotate(box.context)])).toEqual([2, 2]);
  await box.load(application, users(6, 8));
  const report = await box.run();
  expect(report).toMatchObject({ merged: 3, keyset_version: 2 });
  expect(report.read_back.readable).toBe(report.read_back.checked);
  expect(await shown()).toEqual([
    { version: 1, values: 5, seals: 5 },
    { version: 2, values: 3, seals: 3 },
  ]);
  await box.run({ mode: 'all' });
  expect(await shown()).toEqual([
    { version: 1, values: 0, seals: 5 },
    { version: 2, values: 8, seals: 11 },
  ]);
});

it.each([
  { at: 'before it', sql: 'MAX(version)', from: 1, says: undefined, more: 0 },
  {
    at: 'in its statement',
    sql: 'ROTATE_WRAPPED_KEYSET',
    from: 1,
    says: /of the keyset may be added$/,
    more: 0,
  },
  { at: 'after it', sql: 'EXECUTE IMMEDIATE', from: 2, says: /of the keyset is added$/, more: 1 },
])(
  'a rotation that is interrupted $at says whether there is a version',
  async ({ sql, from, says, more }) => {
    const count = async () => (await keysets(box.context)).length;
    const before = await count();
    const broken = interruptedAt(box, { sql, from }, rotate);
    if (says === undefined) await expect(broken).rejects.not.toMatchObject({ code: 'cancelled' });
    else
      await expect(broken).rejects.toMatchObject({ code: 'cancelled', message: expect.stringMatching(says) });
    expect((await count()) - before).toBe(more);
    expect(await rotate(box.context)).toBe(before + more + 1);
  },
);
