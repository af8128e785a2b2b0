import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { endpointsOf, type SandboxEndpoints } from '../../sandbox/http/endpoints.ts';
import { JOB_USER } from '../../sandbox/iam/job-user.ts';
import { startServer } from '../../sandbox/process/server.ts';
import type { DataprocWork } from '../../sandbox/state/dataproc-work.ts';
import { Application } from '../support/application.ts';
import { testSandbox } from '../support/sandbox.ts';

/** A deployed sandbox with users that no run has seen, as a folder to copy. */
export interface World {
  readonly deployment: Deployment;
  readonly dataproc: DataprocWork;
  /** How many data keys a wave of its runs has; null for all. There are two. */
  readonly waveDeks: number | null;
  /** What must stand in no file of it: a part of every plaintext, and the data keys. */
  readonly secrets: readonly Buffer[];
  /** A copy of the folder, for one trial. */
  copy(): string;
  close(): void;
}

/** A sandbox that serves such a copy. */
export interface Served {
  /** As who starts runs, and as the project's owner. */
  readonly job: SandboxEndpoints;
  readonly owner: SandboxEndpoints;
  close(): Promise<void>;
}

/** Stands in every plaintext, and nowhere else. */
const CANARY = 'canary-chaos-7d1e-';

/** Deploys the stack, loads users that share data keys, one of them unreadable, and stops. */
export async function deployedWorld(dataproc: DataprocWork, waveDeks: number | null = null): Promise<World> {
  const box = await testSandbox({ storePlaintext: 'false' }, dataproc);
  const application = new Application('gcm');
  // The engine inside BigQuery leaves what is under AES-192 to the job, and opens the rest.
  const keys = [application.newKey(), application.newKey(24)];
  const users = Array.from({ length: 8 }, (_, at) => {
    const key = keys[at % keys.length] as (typeof keys)[number];
    const cipher_text = at === 5 ? 'no base64' : key.encrypt(`${CANARY}${at}@example.com`);
    return { id: String(at), cipher_text, dek: key.dek };
  });
  await box.load(application, users);
  await box.sandbox.stop();
  const folder = mkdtempSync(join(tmpdir(), 'reseal-chaos-'));
  cpSync(box.state, join(folder, 'base'), { recursive: true });
  await box.close();
  let copies = 0;
  return {
    deployment: box.deployment,
    dataproc,
    waveDeks,
    secrets: [Buffer.from(CANARY), ...keys.map(({ unwrapped }) => unwrapped)],
    copy() {
      const state = join(folder, String(copies++));
      cpSync(join(folder, 'base'), state, { recursive: true });
      return state;
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Serves a folder from this process; `kill` is what a rule of kind `kill` does. */
export async function serve(
  { deployment, dataproc }: World,
  state: string,
  kill: () => void,
): Promise<Served> {
  const server = await startServer({ state, dataproc, kill });
  server.rename(deployment.project);
  const { origin, iam } = server;
  return {
    job: endpointsOf(origin, iam.token(JOB_USER)),
    owner: endpointsOf(origin, iam.ownerToken),
    close: () => server.close(),
  };
}

/** A process of this folder's, whose arguments and messages are JSON; it ends with this one. */
export function child(name: string, argument: object): ChildProcess {
  const path = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  return fork(path, [JSON.stringify(argument)], {
    execArgv: ['--single-threaded-gc', '--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

/** Serves a folder from a process of its own, which a rule of kind `kill` ends. */
export async function serveApart(
  { deployment, dataproc }: World,
  state: string,
): Promise<Omit<Served, 'close'> & { readonly process: ChildProcess }> {
  const process = child('server-process', { state, dataproc, project: deployment.project });
  const [{ job, owner }] = (await once(process, 'message')) as [Pick<Served, 'job' | 'owner'>];
  return { job, owner, process };
}
