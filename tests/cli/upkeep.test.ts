import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Application } from '../support/application.ts';
import { cli } from '../support/cli.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

let box: TestSandbox;
const application = new Application();
const key = application.newKey();

beforeAll(async () => {
  box = await testSandbox();
  const ids = ['1', '2', '3'];
  const encrypted = (id: string) => key.encrypt(`user${id}@example.com`);
  await box.load(
    application,
    ids.map((id) => ({ id, cipher_text: encrypted(id), dek: key.dek })),
  );
  await box.run();
});
afterAll(() => box.close());

const command = (...args: string[]) => cli('reseal', [...args, '--state', box.state]);

it('reseal keys lists the versions of the keyset and rotates it', async () => {
  expect(await command('keys')).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringMatching(
      /^version\s+made\s+values\s+seals\s+seals left\s+algorithm\s+key\n\s*1 .*\n$/,
    ),
  });
  expect((await command('keys', 'rotate')).stdout).toMatch(
    /^version 2 of the keyset seals from the next run on/,
  );
  const json = JSON.parse((await command('keys', 'list', '--json')).stdout) as object[];
  expect(json).toMatchObject([
    { version: 1, values: 3, seals: 3, seals_left: 2 ** 32 - 3 },
    { version: 2, values: 0, seals: 0, seals_left: 2 ** 32, algorithm: 'AEAD_AES_GCM_256' },
  ]);
});

it('reseal keys adopts a wrapped keyset from a file, and says what is wrong with one', async () => {
  const file = join(box.folder, 'keyset.b64');
  const [row = {}] = await box.sql('SELECT TO_BASE64(wrapped) AS wrapped FROM keysets WHERE version = 2');
  writeFileSync(file, `${row.wrapped?.replaceAll(/.{76}/g, '$&\n')}\n`);
  expect((await command('keys', 'adopt', '--from', file, '--json')).stdout).toBe(
    '{"version":3,"versions":[3]}\n',
  );
  writeFileSync(file, 'not base64!');
  expect(await command('keys', 'adopt', '--from', file)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('keyset-file'),
  });
  expect(await command('keys', 'adopt')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--from'),
  });
});

it('reseal keys rewraps to another key of the region only', async () => {
  const elsewhere = box.deployment.bigqueryKek.replace(/locations\/[^/]+/, 'locations/global');
  expect(await command('keys', 'rewrap', '--to', elsewhere)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/keyset-key.*the key is in global/),
  });
});

describe('reseal shred', () => {
  it('wants a confirmation, then does it and says what remains', async () => {
    const file = join(box.folder, 'ids.txt');
    writeFileSync(file, '3\n\n1\r\n');
    expect(await command('shred', '1', '--from', file)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/not-confirmed.*2 rows of encryption_poc.users for good/),
    });
    expect(await box.sql('SELECT COUNT(*) AS n FROM users_shredded')).toEqual([{ n: '0' }]);
    const { code, stdout } = await command('shred', '1', '--from', file, '--yes');
    expect(code).toBe(0);
    expect(stdout).toContain('rows shredded: 2, values: 2; none opens any more');
    expect(stdout).toContain('the source columns still hold 2 of the values');
    expect(stdout).toMatch(/whoever may use projects\/.* can open them; --source clears them/);
    expect(stdout).not.toContain('@example.com');
    expect((await command('read')).stdout).toContain('{"id":"2","email":"user2@example.com"}');
  });

  it('says what the source columns hold as they are now, and not as this call left them', async () => {
    const cleared = await command('shred', '3', '--source', '--yes');
    expect(cleared.stdout).toContain('the source columns are cleared, too\n');
    const again = await command('shred', '3', '--yes');
    expect(again.stdout).toContain('the source columns hold none of them either\n');
    const json = await command('shred', '1', '3', '--yes', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ values: 2, source: 'kept', sources: 1 });
  });

  it.each([
    { args: ['--yes'], says: 'shred-ids' },
    { args: ['12x', '--yes'], says: /"12x" is no id/ },
    { args: ['--from', 'missing.txt'], says: 'missing.txt cannot be read' },
    { args: ['99', '--yes'], says: 'shred-unknown' },
  ])('$args ends with 2', async ({ args, says }) => {
    const { code, stderr } = await command('shred', ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(says);
  });
});
