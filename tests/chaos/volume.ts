import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Deployment, parseDeployment } from '../../jobs/contract/deployment.ts';
import { ResealError } from '../../jobs/contract/errors.ts';
import type { Statement } from '../../jobs/contract/sql/index.ts';
import { bigQueryService, type Row } from '../../jobs/google/bigquery.ts';
import { setFaults } from '../../sandbox/faults/client.ts';
import { parseRules, type Rule } from '../../sandbox/faults/rules.ts';
import { startSandbox } from '../../sandbox/process/start.ts';
import { importKek, loadUsers } from '../../sandbox/users/load.ts';
import { Application } from '../support/application.ts';
import { filesOf, leakingFiles } from '../support/canaries.ts';
import { optionsOf } from './calm.ts';
import { goOn } from './runs.ts';

/** A large table of which one row in `rejectedEvery` cannot be opened, while a share of the calls fails. */
export interface Volume {
  readonly rows: number;
  readonly rejectedEvery: number;
  readonly failing: number;
  readonly seed: number;
  readonly said: (line: string) => void;
}

const DEKS = 1000;
/** Stands in every plaintext, and nowhere else. */
const CANARY = 'canary-volume-4e1f-';
/** So many data keys are looked for in what is left. */
const KEYS_SOUGHT = 10;
/** A run that broke off so often will not end. */
const MOST_RESUMES = 30;

/** Runs until it is merged, then counts; returns what is wrong. */
export async function volume({ rows, rejectedEvery, failing, seed, said }: Volume): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'reseal-volume-'));
  try {
    const application = new Application('gcm');
    const keys = Array.from({ length: DEKS }, () => application.newKey());
    const users = await written(join(folder, 'users.ndjson'), rows, (id) => {
      const key = keys[id % DEKS] as (typeof keys)[number];
      const sealed = key.encrypt(`${CANARY}${id}@example.com`);
      // Of three kinds in turn: no base64, too short, a tag that does not fit.
      const broken = [
        'no base64',
        'AAAA',
        `${sealed.slice(0, 20)}${sealed[20] === 'A' ? 'B' : 'A'}${sealed.slice(21)}`,
      ];
      const at = id / rejectedEvery;
      const cipher_text = Number.isInteger(at) ? broken[at % broken.length] : sealed;
      return { id: String(id), cipher_text, dek: key.dek };
    });
    const state = join(folder, 'state');
    const sandbox = await startSandbox({
      state,
      stack: 'dev',
      config: { storePlaintext: 'false' },
      fresh: false,
    });
    try {
      const deployment = parseDeployment(sandbox.outputs);
      await importKek(sandbox.owner, deployment, application.writeKek(folder));
      await loadUsers(sandbox.owner, deployment, users);
      await setFaults(sandbox.owner, failingCalls(failing, seed));
      const report = await untilMerged(deployment, sandbox.endpoints, said);
      const struck = (await (await fetch(`${sandbox.endpoints.control}/sandbox/v1/faults`)).json()) as {
        rules: { calls: number; hits: number }[];
      };
      await setFaults(sandbox.owner, []);
      const hits = struck.rules.reduce((sum, rule) => sum + rule.hits, 0);
      const service = await bigQueryService(deployment, sandbox.owner);
      const counts = await counted(deployment, (text) =>
        service.query({ name: 'test', sql: text, params: {} } as Statement<never>, {}),
      );
      const rejected = Math.ceil(rows / rejectedEvery);
      const expected = {
        users: rows,
        sealed: rows - rejected,
        sealed_yet_rejected: 0,
        rejected,
        staged: 0,
        selected: rows,
        ledger_rejected: rejected,
        merged: rows - rejected,
        changed: 0,
      };
      said(`merged by ${report}; ${hits} calls failed; ${JSON.stringify(counts)}`);
      await sandbox.stop();
      const secrets = [Buffer.from(CANARY), ...keys.slice(0, KEYS_SOUGHT).map(({ unwrapped }) => unwrapped)];
      const left = filesOf(state);
      said(`${left.length} files are left`);
      return [
        ...Object.entries(expected)
          .filter(([name, value]) => counts[name] !== value)
          .map(([name, value]) => `${name} is ${counts[name]}, and not ${value}`),
        ...(hits === 0 && failing > 0 ? ['no call failed'] : []),
        ...leakingFiles(left, secrets).map((path) => `${path} holds a secret`),
      ];
    } finally {
      await sandbox.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function written(path: string, rows: number, row: (id: number) => object): Promise<string> {
  const file = createWriteStream(path);
  for (let id = 0; id < rows; id++)
    if (!file.write(`${JSON.stringify(row(id))}\n`)) await once(file, 'drain');
  file.end();
  await once(file, 'finish');
  return path;
}

/** Calls of both services fail in every way that passes, together at the given share. */
function failingCalls(share: number, seed: number): Rule[] {
  if (share === 0) return [];
  const ways = [
    { kind: 'unavailable', when: 'before' },
    { kind: 'unavailable', when: 'after' },
    { kind: 'drop', when: 'before' },
    { kind: 'half' },
  ];
  const rules = ['kms', 'bigquery'].flatMap((service, at) =>
    ways.map((way, nth) => ({
      service,
      share: share / ways.length,
      seed: seed + at * ways.length + nth,
      ...way,
    })),
  );
  return parseRules({ rules });
}

/** Goes on with the run until it is merged; says how often it broke off. */
async function untilMerged(
  deployment: Deployment,
  endpoints: Parameters<typeof goOn>[1],
  said: (line: string) => void,
): Promise<string> {
  const options = optionsOf({ waveDeks: null }, 'direct');
  for (let attempt = 1; attempt <= MOST_RESUMES; attempt++) {
    const since = performance.now();
    const end = await goOn(deployment, endpoints, options).catch((error: unknown) => error);
    const seconds = ((performance.now() - since) / 1000).toFixed(1);
    if (!(end instanceof Error)) return `attempt ${attempt} in ${seconds} s`;
    if (!(end instanceof ResealError) || end.code === 'internal') throw end;
    said(`attempt ${attempt} broke off after ${seconds} s: ${end.code}: ${end.message}`);
  }
  throw new Error(`it broke off ${MOST_RESUMES} times`);
}

async function counted(
  { project, dataset }: Deployment,
  sql: (text: string) => Promise<Row[]>,
): Promise<Record<string, number>> {
  const table = (name: string): string => `\`${project}.${dataset}.${name}\``;
  const queries = [
    `SELECT COUNT(*) AS users, COUNTIF(bq_encrypted_email IS NOT NULL) AS sealed FROM ${table('users')}`,
    `SELECT COUNT(*) AS sealed_yet_rejected FROM ${table('users')} u JOIN ${table('users_rejected')} r ON u.id = r.id WHERE u.bq_encrypted_email IS NOT NULL`,
    `SELECT COUNT(*) AS rejected FROM ${table('users_rejected')}`,
    `SELECT COUNT(*) AS staged FROM ${table('users_temp')}`,
    `SELECT selected, rejected AS ledger_rejected, merged, changed_meanwhile AS changed FROM ${table('runs')}`,
  ];
  const counts: Record<string, number> = {};
  for (const query of queries)
    for (const [name, value] of Object.entries((await sql(query))[0] ?? {})) counts[name] = Number(value);
  return counts;
}
