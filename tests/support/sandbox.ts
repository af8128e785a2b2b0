import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runContext } from '../../jobs/cli/connect.ts';
import { type Deployment, parseDeployment } from '../../jobs/contract/deployment.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { Statement } from '../../jobs/contract/sql/index.ts';
import { bigQueryService, type Row } from '../../jobs/google/bigquery.ts';
import type { RunContext, RunOptions, Watcher } from '../../jobs/run/context.ts';
import type { Report } from '../../jobs/run/report.ts';
import { run } from '../../jobs/run/run.ts';
import { type Sandbox, startSandbox } from '../../sandbox/process/start.ts';
import type { DataprocWork } from '../../sandbox/state/dataproc-work.ts';
import { importKek, loadUsers } from '../../sandbox/users/load.ts';
import { type Application, type UserRow, writeUsers } from './application.ts';

/** A sandbox of a test's own, with what tests do to it. */
export interface TestSandbox {
  readonly folder: string;
  readonly state: string;
  readonly sandbox: Sandbox;
  readonly deployment: Deployment;
  readonly context: RunContext;
  /** What a run works with where the stack has other settings. */
  under(given: Partial<Deployment>): Promise<RunContext>;
  /** Loads rows as the application left them. */
  load(application: Application, rows: readonly UserRow[]): Promise<void>;
  run(options?: Partial<RunOptions>, watcher?: Watcher, signal?: AbortSignal): Promise<Report>;
  /** Any SQL, as the project's owner, `users` and its like standing for the tables; cells as text. */
  sql(text: string): Promise<Row[]>;
  /** KMS Decrypt calls for data keys since the last asking. */
  kmsCalls(): Promise<number>;
  control(path: string, body?: object): Promise<Record<string, unknown>>;
  /** Has things go wrong by these rules from now on; without any, nothing does. */
  faults(...rules: object[]): Promise<void>;
  /** An access token of a principal, as bindings name it. */
  token(member: string, groups?: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

/** Steps carried out, nothing shown. */
export const silent: Watcher = { step: (_name, work) => work(() => {}) };

/** Destroys the primary version of a key, for good. */
export async function destroyVersion({ sandbox, control }: TestSandbox, kek: string): Promise<void> {
  const headers = { authorization: `Bearer ${sandbox.owner.accessToken}` };
  const key = (await (await fetch(`${sandbox.endpoints.kms}/v1/${kek}`, { headers })).json()) as {
    primary: { name: string };
  };
  const { name } = key.primary;
  await fetch(`${sandbox.endpoints.kms}/v1/${name}:destroy`, { method: 'POST', headers });
  await control('kms:destroy', { name });
}

/** A watcher that lets the test act before a step. */
export const beforeStep = (step: string, act: () => Promise<void>): Watcher => ({
  async step(name, work) {
    if (name === step) await act();
    return work(() => {});
  },
});

export async function testSandbox(
  config: Record<string, string> = {},
  dataproc: DataprocWork = 'spark',
): Promise<TestSandbox> {
  const folder = mkdtempSync(join(tmpdir(), 'reseal-test-'));
  const state = join(folder, 'state');
  const sandbox = await startSandbox({ state, stack: 'dev', config, dataproc, fresh: false });
  const deployment = parseDeployment(sandbox.outputs);
  const under = (given: Partial<Deployment>): Promise<RunContext> => {
    const target = { deployment: { ...deployment, ...given }, endpoints: sandbox.endpoints };
    return runContext(target, new AbortController().signal);
  };
  const context = await under({});
  const owner = await bigQueryService(deployment, sandbox.owner);
  const { project, dataset } = deployment;

  async function control(path: string, body?: object): Promise<Record<string, unknown>> {
    const post = {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    };
    const answer = await fetch(
      `${sandbox.endpoints.control}/sandbox/v1/${path}`,
      body === undefined ? {} : post,
    );
    if (!answer.ok) throw new Error(await answer.text());
    return (await answer.json()) as Record<string, unknown>;
  }

  return {
    folder,
    state,
    sandbox,
    deployment,
    context,
    under,
    control,
    async faults(...rules) {
      await control('faults', { rules });
    },
    async token(member, groups = []) {
      return String((await control('iam:token', { member, groups })).accessToken);
    },
    async load(application, rows) {
      await importKek(sandbox.owner, deployment, application.writeKek(folder));
      await loadUsers(sandbox.owner, deployment, writeUsers(folder, rows));
    },
    run(options = {}, watcher = silent, signal = context.signal) {
      const chosen: RunOptions = {
        runId: newRunId(),
        mode: 'pending',
        limit: null,
        engine: 'direct',
        ...options,
      };
      return run({ ...context, signal }, chosen, watcher);
    },
    sql(text) {
      const tables = /\b(users_temp|users_rejected|users_shredded|users|data_keys|keysets|runs)\b/g;
      const sql = text.replace(tables, (table) => `\`${project}.${dataset}.${table}\``);
      return owner.query({ name: 'test', sql, params: {} } as Statement<never>, {});
    },
    async kmsCalls() {
      const { keys } = (await control('kms:calls')) as { keys: Record<string, { decrypt?: number }> };
      await control('kms:reset', {});
      return keys[deployment.sourceKek]?.decrypt ?? 0;
    },
    async close() {
      await sandbox.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
