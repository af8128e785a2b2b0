import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { cli, ndjson } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'reseal-cli-'));
const state = join(folder, 'state');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file, so that no folder of this name can be made. */
const blocked = join(folder, 'blocked');
writeFileSync(blocked, '');

const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

describe('mistakes of the caller', () => {
  it.each([
    { args: ['trigger', '--engine', 'warp'], says: 'Allowed choices are auto, direct, dataproc' },
    { args: ['trigger', '--limit', '0'], says: 'a whole number from 1' },
    { args: ['trigger', '--nonsense'], says: "unknown option '--nonsense'" },
    { args: ['nonsense'], says: "unknown command 'nonsense'" },
    { args: ['trigger', '--stack', 'dev', '--users', 'x'], says: 'option-local' },
    { args: ['trigger', '--run-id', 'Not An Id'], says: 'run-id' },
    { args: ['trigger', '--stack', 'no-such-stack'], says: /pulumi-cli|stack-missing/ },
    { args: ['vectors', join(folder, 'missing.json')], says: 'vectors-file' },
    { args: ['trigger', '--resume', 'a-run', '--mode', 'all'], says: /option-resume.*--mode/ },
    { args: ['trigger', '--resume', 'a-run', '--limit', '5'], says: /option-resume.*--limit/ },
    { args: ['trigger', '--resume', 'a-run', '--engine', 'auto'], says: /option-resume.*--engine/ },
    { args: ['trigger', '--resume', 'a-run', '--run-id', 'other'], says: /option-resume.*--run-id/ },
    { args: ['trigger', '--resume', 'a-run', '--fresh'], says: /option-resume.*--fresh/ },
    { args: ['trigger', '--take-over'], says: /option-take-over.*--resume/ },
    { args: ['sql', '--stack', 'dev', 'SELECT 1'], says: /option-local.*bq query/s },
    { args: ['rejected', '--reason', 'mood'], says: 'Allowed choices are encoding' },
    { args: ['show', 'Not An Id'], says: 'run-id' },
    { args: ['trigger', '--detach'], says: /option-detach.*--via workflow/ },
    { args: ['trigger', '--detach', '--engine', 'dataproc', '--stack', 'dev'], says: /option-detach/ },
    { args: ['trigger', '--html', join(blocked, 'report.html')], says: /option-html/ },
  ])('$args ends with 2 and says what was wrong', async ({ args, says }) => {
    const { code, stdout, stderr } = await cli('reseal', args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(says);
  });

  it.each([
    { users: () => join(folder, 'missing.ndjson'), says: /users-file/ },
    {
      users: () => file('columns.ndjson', '{"id": 1, "cipher_text": "a"}\n'),
      says: /users-columns.* has no dek/,
    },
    {
      users: () => file('broken.ndjson', '{"id": 1, "cipher_text": "a", "dek": "b"}\n{"id": 2,\n'),
      says: '2',
    },
  ])('a users file that is no good: $says', async ({ users, says }) => {
    const { code, stderr } = await cli('trigger', ['--state', state, '--fresh', '--users', users()]);
    expect(code).toBe(2);
    expect(stderr).toMatch(says);
  });
});

describe('a folder without a sandbox', () => {
  it.each(['read', 'history', 'show', 'rejected', 'sql'])('is not made into one by %s', async (command) => {
    const nowhere = join(folder, `nowhere-${command}`);
    const { code, stdout, stderr } = await cli('reseal', [command, '--state', nowhere]);
    expect(stderr).not.toContain('starting');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('error (sandbox-missing)');
    expect(stderr).toContain(`npm run trigger -- --state ${nowhere}`);
    expect(existsSync(nowhere)).toBe(false);
  });
});

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('an error that nobody waited for', () => {
  it.each(['{ message: "odd", token: "canary" }', 'Object.assign(new Error("odd"), { token: "canary" })'])(
    'is told by its message alone: %s',
    async (thrown) => {
      const late = `setImmediate(() => Promise.reject(${thrown}))`;
      const source = `process.on('newListener', (name) => { if (name === 'unhandledRejection') ${late} })`;
      vi.stubEnv('NODE_OPTIONS', `--import=data:text/javascript,${encodeURIComponent(source)}`);
      const { code, stdout, stderr } = await cli('reseal', [
        'history',
        '--json',
        '--state',
        join(folder, 'none'),
      ]);
      expect({ code, stderr }).toEqual({ code: 1, stderr: 'error (internal): odd\n' });
      expect(JSON.parse(stdout)).toEqual({ error: { code: 'internal', message: 'odd' } });
    },
  );
});

describe('an environment made for Google, or for an emulator', () => {
  it.each([{ engine: 'direct' }, { engine: 'bigquery' }])(
    'leaves the sandbox as it is: $engine',
    async ({ engine }) => {
      // Nobody listens there.
      const proxy = 'http://127.0.0.1:9';
      for (const name of ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'grpc_proxy'])
        vi.stubEnv(name, proxy);
      vi.stubEnv('no_proxy', 'intranet.example');
      vi.stubEnv('BIGQUERY_EMULATOR_HOST', proxy);
      vi.stubEnv('STORAGE_EMULATOR_HOST', proxy);
      vi.stubEnv('GOOGLE_API_USE_CLIENT_CERTIFICATE', 'true');
      const options = ['--state', join(folder, `proxy-${engine}`), '--fresh', '--engine', engine, '--json'];
      const { code, stdout } = await cli('trigger', options);
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ state: 'succeeded', merged: 980 });
    },
  );

  it.each(['BIGQUERY_EMULATOR_HOST', 'STORAGE_EMULATOR_HOST'])(
    'turns no stack into another: %s',
    async (name) => {
      vi.stubEnv(name, 'http://127.0.0.1:9');
      const { code, stderr } = await cli('trigger', ['--stack', 'dev']);
      expect(code).toBe(2);
      expect(stderr).toMatch(new RegExp(`error \\(emulator-host\\): ${name} names a host`));
    },
  );
});

describe('what is printed', () => {
  it('with --json is one object, and nothing else', async () => {
    const { code, stdout } = await cli('trigger', ['--state', state, '--fresh', '--json']);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toHaveLength(2);
    expect(JSON.parse(stdout)).toMatchObject({ state: 'succeeded' });
  });

  it('on the second run takes again nothing but the values whose data key KMS does not open', async () => {
    const { code, stdout } = await cli('trigger', ['--state', state, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ selected: 3, merged: 0, reasons: { 'dek-refused': 3 } });
  });

  it('with --plan is a forecast, and nothing happens', async () => {
    const { stdout } = await cli('trigger', ['--state', state, '--mode', 'all', '--plan', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ mode: 'all', selected: 1000 });
    expect(JSON.parse(stdout)).not.toHaveProperty('batch_vcpus');
    const batch = await cli('trigger', ['--state', state, '--mode', 'all', '--plan', '--engine', 'dataproc']);
    expect(JSON.parse(stdout).expected_bigquery_bytes).toBeGreaterThan(100_000);
    expect(batch.stdout).toContain('12 vCPUs at the start, up to 36');
    const { stdout: history } = await cli('reseal', ['history', '--state', state, '--json']);
    expect(JSON.parse(history)).toHaveLength(2);
  });

  it('by read is id and value, as NDJSON or CSV', async () => {
    const lines = await cli('reseal', ['read', '--state', state, '--limit', '2', '--json']);
    expect(lines.stdout.trim().split('\n')).toHaveLength(2);
    expect(Object.keys(JSON.parse(lines.stdout.split('\n')[0] ?? ''))).toEqual(['id', 'email']);
    const csv = await cli('reseal', ['read', '--state', state, '--limit', '2', '--format', 'csv']);
    expect(csv.stdout.split('\r\n')[0]).toBe('id,email');
  });

  it('by show is the report of a run, the newest without an id', async () => {
    const { stdout } = await cli('reseal', ['show', '--state', state, '--json']);
    const newest = JSON.parse(stdout);
    expect(newest).toMatchObject({
      state: 'succeeded',
      selected: 3,
      merged: 0,
      reasons: { 'dek-refused': 3 },
    });
    const { stdout: history } = await cli('reseal', ['history', '--state', state, '--json']);
    const [, first] = JSON.parse(history);
    const named = await cli('reseal', ['show', first.run_id, '--state', state]);
    expect(named.stdout).toMatch(new RegExp(`^run +${first.run_id}\nstate +succeeded\nselected +1000\n`));
    expect(named.stdout).toContain('980 of 980 merged values open through SQL');
    const unknown = await cli('reseal', ['show', 'nobody-knows-me', '--state', state]);
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('error (run-unknown)')]);
  });

  it('by rejected is what cannot be sealed, why, and what to do', async () => {
    const lines = await cli('reseal', ['rejected', '--state', state, '--json']);
    const values = ndjson<Record<string, string>>(lines.stdout);
    expect(values).toHaveLength(20);
    expect(values.map(({ id }) => BigInt(id ?? ''))).toEqual(
      values.map(({ id }) => BigInt(id ?? '')).sort((a, b) => (a < b ? -1 : 1)),
    );
    const refused = values.filter(({ reason }) => reason === 'dek-refused');
    expect(refused).toHaveLength(3);
    expect(refused[0]).toMatchObject({
      field: 'email',
      dek_fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
      what_to_do: expect.stringContaining('reseal:sourceKek'),
    });
    const [run = ''] = refused.map(({ run_id }) => run_id);
    const ofRun = await cli('reseal', ['rejected', run, '--state', state, '--csv']);
    expect(ofRun.stdout.split('\r\n')).toHaveLength(5);
    expect(ofRun.stdout).toMatch(/^id,field,reason,dek_fingerprint,run_id,rejected_at,what_to_do\r\n/);
    const reason = ['--reason', 'encoding'];
    const table = await cli('reseal', ['rejected', ...reason, '--state', state]);
    expect(table.stdout).toMatch(/^id +field +reason +dek_fingerprint/);
    expect(table.stdout).toContain('what to do: Look at how the application wrote the row.');
    expect(table.stdout).not.toContain('dek-refused');
    const none = await cli('reseal', ['rejected', run, ...reason, '--state', state]);
    expect(none.stdout).toBe('no rejected values\n');
  });

  it('by sql is what GoogleSQL gives, values opened by AEAD functions included', async () => {
    const script = `DECLARE keyset BYTES DEFAULT (SELECT wrapped FROM keysets ORDER BY version DESC LIMIT 1);
SELECT id, AEAD.DECRYPT_STRING(
  AEAD.DECRYPT_BYTES(KEYS.KEYSET_CHAIN('gcp-kms://KMS-KEY', keyset), bq_encryption_key, CAST(CAST(id AS STRING) AS BYTES)),
  bq_encrypted_email, CAST(id AS STRING)) AS email
FROM users WHERE bq_encrypted_email IS NOT NULL ORDER BY id LIMIT 2`;
    const key = await cli('reseal', ['sql', 'SELECT kms_key FROM keysets', '--state', state, '--json']);
    const [{ kms_key } = { kms_key: '' }] = ndjson<{ kms_key: string }>(key.stdout);
    const opened = await cli('reseal', [
      'sql',
      script.replace('KMS-KEY', kms_key),
      '--state',
      state,
      '--json',
    ]);
    const { stdout: read } = await cli('reseal', ['read', '--state', state, '--limit', '2']);
    // `read` gives ids of every type as text.
    const rows = ndjson<{ id: number }>(opened.stdout).map((row) => ({ ...row, id: String(row.id) }));
    expect(rows).toEqual(ndjson(read));
    const wrong = await cli('reseal', ['sql', 'SELECT nonsense FROM users', '--state', state]);
    expect([wrong.code, wrong.stdout]).toEqual([1, '']);
    expect(wrong.stderr).toMatch(/error \(bigquery\): .*nonsense/);
    const count = await cli('reseal', ['sql', 'SELECT COUNT(*) AS n FROM users', '--state', state]);
    expect(count.stdout).toBe('   n\n1000\n');
  });

  it('comes at once, and from the deployment that is there', async () => {
    const deployed = statSync(join(state, 'inventory.json')).mtimeMs;
    const { stderr } = await cli('reseal', ['history', '--state', state]);
    expect(stderr).toBe(`starting the sandbox in ${state} …\n`);
    expect(statSync(join(state, 'inventory.json')).mtimeMs).toBe(deployed);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect((await cli('reseal', ['--version'])).stdout).toBe(`${version}\n`);
  });

  it('of a wrong option with --json is an object too', async () => {
    for (const args of [
      ['trigger', '--json', '--nonsense'],
      ['trigger', '--json', '--engine', 'warp'],
    ]) {
      const { code, stdout } = await cli('reseal', args);
      expect(code).toBe(2);
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'option', message: expect.any(String) } });
    }
    const help = await cli('reseal', ['trigger', '--json', '--help']);
    expect(help.code).toBe(0);
    expect(help.stdout).toMatch(/^Usage: /);
  });

  it('as a page goes into a folder that is made for it', async () => {
    const page = join(folder, 'reports', 'today', 'report.html');
    const { code } = await cli('trigger', ['--state', state, '--html', page]);
    expect(code).toBe(0);
    expect(readFileSync(page, 'utf8')).toContain('<html');
  });

  it('of an error with --json is an object with its code', async () => {
    const { code, stdout } = await cli('trigger', [
      '--state',
      state,
      '--resume',
      'nobody-knows-me',
      '--json',
    ]);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'run-unknown' } });
  });
});

it('settings that a run turned down leave the sandbox as it was', async () => {
  const kept = readFileSync(join(state, 'settings.json'), 'utf8');
  const turnedDown = ['--state', state, '--keying', 'shared', '--setting', 'engines=["dataproc"]'];
  const { code, stderr } = await cli('trigger', [...turnedDown, '--engine', 'direct']);
  expect([code, stderr]).toEqual([2, expect.stringMatching(/engine-not-allowed|keying-changed/)]);
  expect(readFileSync(join(state, 'settings.json'), 'utf8')).toBe(kept);
  const { stdout } = await cli('reseal', ['read', '--state', state, '--limit', '1']);
  expect(JSON.parse(stdout).email).toMatch(/@/);
  // A run that begins keeps them.
  const begun = await cli('trigger', ['--state', state, '--setting', 'verifyRows=40000', '--json']);
  expect(begun.code).toBe(0);
  expect(JSON.parse(readFileSync(join(state, 'settings.json'), 'utf8'))).toMatchObject({
    verifyRows: '40000',
  });
  expect(begun.stderr).not.toContain('as before');
  const back = await cli('trigger', ['--state', state, '--setting', 'verifyRows=', '--json']);
  expect(back.code).toBe(0);
  expect(JSON.parse(readFileSync(join(state, 'settings.json'), 'utf8'))).toEqual(JSON.parse(kept));
});

it('ctrl-C cancels the run, says what it left and how to go on, and ends with 130', async () => {
  const state = join(folder, 'cancelled');
  // Slow enough to be caught in the middle, by the first word of its progress: some 200 data keys at 50 a second.
  const slow = ['--state', state, '--setting', 'kmsCallsPerSecond=50'];
  const { code, stderr } = await cli('trigger', slow, /stage /);
  expect(code).toBe(130);
  expect(stderr).toContain('the source table is untouched');
  const [, run = ''] = /--resume (\S+);/.exec(stderr) ?? [];
  const history = await cli('reseal', ['history', '--state', state, '--json']);
  expect(JSON.parse(history.stdout)).toMatchObject([
    { run_id: run, state: 'cancelled', error_code: 'cancelled' },
  ]);
  // Nobody can be asked here, and mode and limit are for a new run: it is begun, beside a word on the old one.
  const other = await cli('trigger', ['--state', state, '--mode', 'rejected', '--limit', '1', '--json']);
  expect(JSON.parse(other.stdout)).toMatchObject({ state: 'succeeded', selected: 0 });
  expect(other.stderr).toContain(
    `run ${run} (cancelled: cancelled, begun 0 min ago) is unfinished: --resume ${run} goes on with it, `,
  );
  const resumed = await cli('trigger', ['--state', state, '--resume', run, '--json']);
  expect(JSON.parse(resumed.stdout)).toMatchObject({ run_id: run, state: 'succeeded', selected: 1000 });
});
