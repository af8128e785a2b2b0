import {
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ResealError } from '../../jobs/contract/errors.ts';
import type { SandboxEndpoints } from '../http/endpoints.ts';
import type { DataprocWork } from './dataproc-work.ts';
import { readJsonFile, writeAtomically } from './files.ts';

/** What `<state>/sandbox.json` says of a running sandbox. */
export interface SandboxInfo {
  pid: number;
  /** With the token of the job's user. */
  endpoints: SandboxEndpoints;
  /** The same with the owner's token. */
  owner: SandboxEndpoints;
  /** The stack's outputs, as jobs/contract/deployment.ts reads them. */
  outputs: unknown;
  stack: string;
  config: Readonly<Record<string, string>>;
  /** What does the work of Dataproc's batches. */
  dataproc: DataprocWork;
}

const INFO = 'sandbox.json';
const LOCK = 'sandbox.lock';
/** Whose turn it is to load into the sandbox. */
const LOADING = 'loading.lock';
export const DATABASE = 'bigquery.duckdb';
export const REQUEST_LOG = 'requests.ndjson';
export const OLDER_REQUEST_LOG = 'requests.older.ndjson';
/** What a state folder consists of; nothing else is ever deleted. */
const CONTENTS = [
  INFO,
  LOCK,
  LOADING,
  DATABASE,
  'bigquery.duckdb.wal',
  'buckets.json',
  'cloud-run',
  'dataproc',
  'deployment.json',
  'iam.json',
  'inventory.json',
  'kms.json',
  REQUEST_LOG,
  OLDER_REQUEST_LOG,
  'settings.json',
  'spill',
  'storage',
  'tls',
  'uploads',
];

/** The folder of a sandbox that nobody has named. */
export const DEFAULT_STATE = '.reseal';

/**
 * Before anything is made in it: a name may be that of a variable that is not set, or of a file.
 *
 * @throws ResealError `option-state`
 */
export function checkFolder(state: string): void {
  const hint = `name a folder with --state, or leave it out: ${DEFAULT_STATE} is taken then`;
  if (state.trim() === '') throw new ResealError('option-state', '--state is empty', { hint });
  const wrong = (cause?: unknown) =>
    new ResealError('option-state', `--state ${state} names no folder`, { hint, cause });
  let found: Stats | undefined;
  try {
    found = statSync(state, { throwIfNoEntry: false });
  } catch (error) {
    // Below a file, or where nobody may look.
    throw wrong(error);
  }
  if (found !== undefined && !found.isDirectory()) throw wrong();
}

/** The sandbox that serves a folder; undefined where none does. */
export async function running(state: string): Promise<SandboxInfo | undefined> {
  const info = readJsonFile(join(state, INFO)) as SandboxInfo | undefined;
  if (!info || !isAlive(info.pid)) return undefined;
  try {
    const response = await fetch(`${info.endpoints.control}/sandbox/v1/health`);
    const { pid } = (await response.json()) as { pid: number };
    return pid === info.pid ? info : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a process serves a folder, or one that was killed did: without asking it, in no time. */
export const isServed = (state: string): boolean => existsSync(join(state, INFO));

/** Whether a folder holds a sandbox, running or not. */
export const isSandbox = async (state: string): Promise<boolean> =>
  existsSync(join(state, DATABASE)) || (await running(state)) !== undefined;

/** Makes this process the folder's own. @throws ResealError sandbox-busy naming the process that is */
export function hold(state: string): void {
  const other = taken(state, LOCK);
  if (other !== undefined) throw busy(state, other);
}

const LOOK_MS = 50;

/** Does what only one process may do to a sandbox at a time; another one's work is waited for. */
export async function inTurn<T>(state: string, work: () => Promise<T>): Promise<T> {
  while (taken(state, LOADING) !== undefined) await sleep(LOOK_MS);
  try {
    return await work();
  } finally {
    rmSync(join(state, LOADING), { force: true });
  }
}

/** Takes a lock of a folder, or returns the process that has it. */
function taken(state: string, lock: string): number | undefined {
  const path = join(state, lock);
  // The lock appears with its content: nobody ever reads one that does not say yet whose it is.
  const draft = `${path}.${process.pid}.tmp`;
  writeFileSync(draft, String(process.pid), { mode: 0o600 });
  try {
    for (;;) {
      try {
        linkSync(draft, path);
        return undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const pid = holder(state, lock);
      if (pid !== undefined) return pid;
      rmSync(path, { force: true });
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** The process that has a folder, or is about to; undefined where none does. */
export function holder(state: string, lock = LOCK): number | undefined {
  try {
    const pid = Number(readFileSync(join(state, lock), 'utf8'));
    return isAlive(pid) ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export const busy = (state: string, pid: number): ResealError =>
  new ResealError('sandbox-busy', `process ${pid} serves the sandbox folder ${state} already`, {
    hint: 'use its endpoints, stop it, or take another folder with --state',
  });

export function publish(state: string, info: SandboxInfo): void {
  writeAtomically(join(state, INFO), JSON.stringify(info, null, 1));
}

export function release(state: string): void {
  rmSync(join(state, INFO), { force: true });
  rmSync(join(state, LOCK), { force: true });
}

/** Empties a state folder. @throws ResealError sandbox-folder where it holds what a sandbox does not */
export function wipe(state: string): void {
  if (!existsSync(state)) return;
  const pid = holder(state);
  if (pid !== undefined) throw busy(state, pid);
  const entries = readdirSync(state);
  const foreign = entries.filter((name) => !CONTENTS.includes(name) && !/\.\d+\.tmp$/.test(name));
  if (foreign.length > 0) {
    throw new ResealError('sandbox-folder', `${state} is not a sandbox's folder: it holds ${foreign[0]}`, {
      hint: 'name another folder with --state; --fresh deletes only what a sandbox made',
    });
  }
  for (const name of entries) rmSync(join(state, name), { recursive: true, force: true });
}

export function isAlive(pid: number): boolean {
  // Signals to 0 and below go to groups of processes.
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
