import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Deployment, parseDeployment } from '../../../jobs/contract/deployment.ts';
import { deploy } from '../../../sandbox/deploy/deployer.ts';
import { fingerprint, keptDeployment } from '../../../sandbox/deploy/kept.ts';
import { type Sandbox, startSandbox } from '../../../sandbox/process/start.ts';
import { importKek, loadUsers } from '../../../sandbox/users/load.ts';
import { SAMPLE_EXPECTED, SAMPLE_KEK, SAMPLE_USERS } from '../../../sandbox/users/samples.ts';

const folder = mkdtempSync(join(tmpdir(), 'reseal-start-'));
const state = join(folder, 'state');
// The bundle of the batch as tests have it: the real one may be made anew at any time.
const CONFIG = { bundle: 'tests/fixtures/bundle' };
let sandbox: Sandbox;
let deployment: Deployment;

beforeAll(async () => {
  sandbox = await startSandbox({ state, stack: 'dev', config: CONFIG });
  deployment = parseDeployment(sandbox.outputs);
});
afterAll(async () => {
  await sandbox.stop();
  rmSync(folder, { recursive: true, force: true });
});

const asOwner = () => ({ authorization: `Bearer ${sandbox.owner.accessToken}` });

async function query(sql: string): Promise<(string | null)[][]> {
  const url = `${sandbox.owner.bigquery}/bigquery/v2/projects/${deployment.project}/queries`;
  const response = await fetch(url, {
    method: 'POST',
    headers: asOwner(),
    body: JSON.stringify({ query: sql, useLegacySql: false, location: deployment.location }),
  });
  const body = (await response.json()) as {
    rows?: { f: { v: string | null }[] }[];
    error?: { message: string };
  };
  if (body.error) throw new Error(body.error.message);
  return (body.rows ?? []).map((row) => row.f.map((cell) => cell.v));
}

const users = () => `\`${deployment.project}.${deployment.dataset}.${deployment.tables.source}\``;
const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

describe('a deployed sandbox', () => {
  test('has the tables, keys, bucket and procedure that the outputs name', async () => {
    for (const table of Object.values(deployment.tables)) {
      expect(await query(`SELECT COUNT(*) FROM \`${deployment.dataset}.${table}\``)).toEqual([['0']]);
    }
    for (const path of [
      `v1/${deployment.sourceKek}`,
      `v1/${deployment.bigqueryKek}`,
      `storage/v1/b/${deployment.bucket}`,
      `bigquery/v2/projects/p/datasets/${deployment.readDataset}/routines/${deployment.readProcedure}`,
    ]) {
      expect((await fetch(`${sandbox.owner.kms}/${path}`, { headers: asOwner() })).status, path).toBe(200);
    }
  });

  test('is deployed again without harm, the inventory being the same', async () => {
    const inventory = readFileSync(join(state, 'inventory.json'), 'utf8');
    await query(`INSERT INTO ${users()} (id, cipher_text, dek) VALUES (1, 'c', 'd')`);
    const again = await deploy({ stack: 'dev', config: CONFIG, endpoints: sandbox.owner, state });
    expect(again.deployment).toEqual(deployment);
    expect(readFileSync(join(state, 'inventory.json'), 'utf8')).toBe(inventory);
    expect(await query(`SELECT COUNT(*) FROM ${users()}`)).toEqual([['1']]);
    await query(`DELETE FROM ${users()} WHERE TRUE`);
    const recorded = JSON.parse(inventory) as { type: string; created: boolean }[];
    expect(recorded.filter(({ created }) => created).map(({ type }) => type)).toContain(
      'gcp:bigquery/table:Table',
    );
    expect(recorded.find(({ type }) => type.includes('iAMMember'))?.created).toBe(false);
  });

  test('is started again without a deployment, unless something that it is made from has changed', () => {
    const config = { bundle: CONFIG.bundle, readLimitRows: '5' };
    const made = fingerprint('dev', CONFIG);
    expect(keptDeployment(state, made)).toMatchObject({ deployment });
    expect(fingerprint('dev', { ...CONFIG })).toBe(made);
    for (const other of [fingerprint('dev', config), fingerprint('prod', CONFIG)]) {
      expect(other).not.toBe(made);
      expect(keptDeployment(state, other)).toBeUndefined();
    }
    const program = 'infra/outputs.ts';
    const text = readFileSync(program, 'utf8');
    const changed = (path: string) => (path.endsWith(program) ? `${text}\n// changed` : readFileSync(path));
    expect(fingerprint('dev', CONFIG, changed)).not.toBe(made);
    expect(keptDeployment(folder, made)).toBeUndefined();
  });

  test('says where it is in a file that only its owner reads', () => {
    const path = join(state, 'sandbox.json');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
      pid: sandbox.pid,
      endpoints: sandbox.endpoints,
    });
  });
});

describe('users', () => {
  test('the samples: loaded once, unchanged the second time', async () => {
    await importKek(sandbox.owner, deployment, SAMPLE_KEK);
    const total = readFileSync(SAMPLE_EXPECTED, 'utf8').trim().split('\n').length;
    expect(await loadUsers(sandbox.owner, deployment, SAMPLE_USERS)).toEqual({
      inserted: total,
      changed: 0,
      unchanged: 0,
    });
    expect(await loadUsers(sandbox.owner, deployment, SAMPLE_USERS)).toEqual({
      inserted: 0,
      changed: 0,
      unchanged: total,
    });
    expect(await query(`SELECT MAX(id) FROM ${users()}`)).toEqual([['9223372036854775807']]);
  });

  test('new and changed rows of a CSV file go in by id', async () => {
    const path = file(
      'more.csv',
      'dek,id,cipher_text\nd,9223372036854775807,changed\nd,9007199254740991,new\n',
    );
    expect(await loadUsers(sandbox.owner, deployment, path)).toEqual({
      inserted: 1,
      changed: 1,
      unchanged: 0,
    });
    const changed = await query(`SELECT id FROM ${users()} WHERE dek = 'd' ORDER BY id`);
    expect(changed).toEqual([['9007199254740991'], ['9223372036854775807']]);
    const [[tables] = []] = [await query(`SELECT COUNT(*) FROM ${users()} WHERE cipher_text = 'new'`)];
    expect(tables).toEqual(['1']);
  });

  test.each([
    ['no.ndjson', undefined, 'users-file', 'there is no users file'],
    ['users.xml', '<users/>', 'users-file', 'is of no known format'],
    ['empty.csv', '', 'users-file', 'is empty'],
    ['less.csv', 'id,dek\n1,d\n', 'users-columns', 'has no cipher_text'],
    ['more.csv', 'id,dek,cipher_text,extra\n1,d,c,e\n', 'users-columns', 'has a column extra'],
    ['less.ndjson', '{"id": 1, "dek": "d"}', 'users-columns', 'has no cipher_text'],
    ['bad.ndjson', '{"id": 1, "cipher_text": "c", "dek": "d"}\nnonsense\n', 'users-row', 'Line: 2.'],
    [
      'null.ndjson',
      '{"id": 1, "cipher_text": "c", "dek": "d"}\n{"id": 2, "dek": "d"}\n',
      'users-row',
      'Missing required field: cipher_text. Line: 2.',
    ],
    ['text.parquet', 'not parquet', 'users-row', 'not a Parquet file'],
    ['twice.csv', 'id,cipher_text,dek\n1,c,d\n1,c,d\n', 'users-duplicate-id', 'has 1 ids more than once'],
  ])('%s', async (name, content, code, message) => {
    const path = content === undefined ? join(folder, name) : file(name, content);
    const before = await query(`SELECT COUNT(*) FROM ${users()}`);
    const error = await loadUsers(sandbox.owner, deployment, path).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'ResealError', code });
    expect((error as Error).message).toContain(message);
    expect(await query(`SELECT COUNT(*) FROM ${users()}`)).toEqual(before);
  });

  test('a key file that is none', async () => {
    const bad = importKek(sandbox.owner, deployment, file('kek.json', '{"material_base64": "AAAA"}'));
    await expect(bad).rejects.toMatchObject({ code: 'kek-file' });
    await expect(importKek(sandbox.owner, deployment, join(folder, 'none'))).rejects.toMatchObject({
      code: 'kek-file',
    });
  });
});

describe('one folder, one sandbox', () => {
  test('the same settings join it, others are refused, and so is a second owner', async () => {
    const joined = await startSandbox({ state, stack: 'dev', config: CONFIG });
    expect(joined.pid).toBe(sandbox.pid);
    await joined.stop();
    expect(await query('SELECT 1')).toEqual([['1']]);
    await expect(startSandbox({ state, stack: 'dev', config: { keying: 'shared' } })).rejects.toMatchObject({
      code: 'sandbox-settings',
    });
    await expect(startSandbox({ state, stack: 'dev', fresh: true })).rejects.toMatchObject({
      code: 'sandbox-busy',
    });
    const second = promisify(execFile)(process.execPath, [
      '--import',
      'tsx',
      'sandbox/process/main.ts',
      '--state',
      state,
    ]);
    await expect(second).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        `^error \\(sandbox-busy\\): process ${sandbox.pid} serves the sandbox folder`,
      ),
    });
  });

  test('settings that the program refuses are named', async () => {
    const wrong = startSandbox({
      state: join(folder, 'wrong'),
      stack: 'dev',
      config: { ...CONFIG, keying: 'none' },
    });
    await expect(wrong).rejects.toMatchObject({
      code: 'sandbox-deploy',
      message: expect.stringContaining('reseal:keying must be one of'),
    });
  });

  test('a folder of something else is not emptied', async () => {
    file('precious.txt', 'x');
    await expect(startSandbox({ state: folder, stack: 'dev', fresh: true })).rejects.toMatchObject({
      code: 'sandbox-folder',
    });
    expect(existsSync(join(folder, 'precious.txt'))).toBe(true);
  });

  test("stopped and started again it has what it had, and takes a dead one's files over", async () => {
    const before = await query(`SELECT COUNT(*) FROM ${users()}`);
    await sandbox.stop();
    expect(existsSync(join(state, 'sandbox.json'))).toBe(false);
    const dead = {
      pid: sandbox.pid,
      endpoints: sandbox.endpoints,
      outputs: {},
      stack: 'dev',
      config: CONFIG,
    };
    writeFileSync(join(state, 'sandbox.json'), JSON.stringify(dead));
    writeFileSync(join(state, 'sandbox.lock'), String(sandbox.pid));
    const deployedAt = statSync(join(state, 'inventory.json')).mtimeMs;
    sandbox = await startSandbox({ state, stack: 'dev', config: CONFIG });
    expect(statSync(join(state, 'inventory.json')).mtimeMs).toBe(deployedAt);
    expect(sandbox.outputs).toEqual(deployment);
    expect(await query(`SELECT COUNT(*) FROM ${users()}`)).toEqual(before);
  });
});
