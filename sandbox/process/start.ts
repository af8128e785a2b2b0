import { fork } from 'node:child_process';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { compiled } from '../../bin/compiled.js';
import { ResealError } from '../../jobs/contract/errors.ts';
import type { SandboxEndpoints } from '../http/endpoints.ts';
import { onlyLoopback } from '../http/environment.ts';
import type { DataprocWork } from '../state/dataproc-work.ts';
import { busy, holder, running, type SandboxInfo, wipe } from '../state/folder.ts';

export interface StartOptions {
  /** The folder of its state. */
  state: string;
  /** Pulumi.<stack>.yaml holds the settings. */
  stack: string;
  /** Settings on top of the stack's. */
  config?: Readonly<Record<string, string>>;
  /** What does the work of Dataproc's batches: a local Spark or, where a test asks for it, the direct engine. */
  dataproc?: DataprocWork;
  /** Empty the folder first. */
  fresh?: boolean;
}

/** A running sandbox: this process's own, or one that serves the folder already. */
export interface Sandbox {
  /** As the user who starts runs by hand, with the roles of docs/iam.md. */
  readonly endpoints: SandboxEndpoints;
  /** As the project's owner, who deploys, loads users and looks into everything. */
  readonly owner: SandboxEndpoints;
  /** The stack's outputs; parseDeployment reads them. */
  readonly outputs: unknown;
  readonly pid: number;
  /** Ends it where this process started it and no other uses it, with everything written to the folder. */
  stop(): Promise<void>;
}

type Message = { ready: SandboxInfo } | { failed: { code: string; message: string; hint?: string } };

/** How long a stop may take before the process is ended by force. */
const STOP_MS = 20_000;

/** A sandbox that another process is starting or ending is waited for so long. */
const BUSY_MS = 30_000;
const LOOK_MS = 100;

/**
 * Starts a sandbox in a process of its own, so that its CPU and memory are its own, or joins the one that
 * serves the folder. It ends with the process that has started it, or with the last that has joined it.
 * @throws ResealError sandbox-busy, sandbox-settings, sandbox-folder, sandbox-deploy or sandbox-start
 */
export async function startSandbox(options: StartOptions): Promise<Sandbox> {
  onlyLoopback();
  const folder = resolve(options.state);
  for (const until = Date.now() + BUSY_MS; ; ) {
    const there = await running(folder);
    const joined = there && (await join(there, options));
    if (joined) return joined;
    const waited = Date.now() > until;
    if (waited || holder(folder) === undefined) {
      try {
        return await started(folder, options);
      } catch (error) {
        if (waited || !(error instanceof ResealError && error.code === 'sandbox-busy')) throw error;
      }
    }
    await sleep(LOOK_MS);
  }
}

async function started(
  folder: string,
  { stack, config = {}, dataproc = 'spark', fresh = false }: StartOptions,
): Promise<Sandbox> {
  if (fresh) wipe(folder);
  const settings = Object.entries(config).flatMap(([key, value]) => ['--config', `${key}=${value}`]);
  const child = fork(
    await compiled('sandbox/process/main.ts'),
    ['--state', folder, '--stack', stack, '--dataproc', dataproc, ...settings],
    // Cores that help to collect garbage wait for each other, and here each has its own work.
    { execArgv: ['--single-threaded-gc'], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
  );
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  const message = await new Promise<Message>((done) => {
    let said = '';
    child.stderr?.on('data', (part) => {
      said = (said + part).slice(-4000);
    });
    child.once('message', (given) => done(given as Message));
    child.once('exit', (code) =>
      done({ failed: { code: 'sandbox-start', message: said.trim() || `the sandbox ended with ${code}` } }),
    );
  });
  if ('failed' in message) {
    const { code, message: text, hint } = message.failed;
    await exited;
    throw new ResealError(code, text, hint === undefined ? {} : { hint });
  }
  // A program that forgets to stop the sandbox must still be able to end.
  child.unref();
  child.channel?.unref();
  const { endpoints, owner, outputs, pid } = message.ready;
  let stopping: Promise<void> | undefined;
  return {
    endpoints,
    owner,
    outputs,
    pid,
    stop() {
      stopping ??= (async () => {
        const staying = new Promise<void>((done) => {
          child.on('message', (given) => given === 'staying' && done());
        });
        if (child.connected) child.send('stop');
        const force = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
        child.ref();
        await Promise.race([exited, staying]);
        clearTimeout(force);
        child.unref();
        child.stderr?.destroy();
      })();
      return stopping;
    },
  };
}

/** Becomes a guest of the sandbox that serves a folder; undefined where it is about to end. */
async function join(
  info: SandboxInfo,
  { state, stack, config = {}, dataproc = 'spark', fresh = false }: StartOptions,
): Promise<Sandbox | undefined> {
  if (fresh) throw busy(state, info.pid);
  const sorted = (settings: Readonly<Record<string, string>>) =>
    JSON.stringify(Object.entries(settings).sort());
  if (info.stack !== stack || info.dataproc !== dataproc || sorted(info.config) !== sorted(config)) {
    throw new ResealError(
      'sandbox-settings',
      `the sandbox of process ${info.pid} serves ${state} with other settings`,
      { hint: 'stop it, or take another folder with --state' },
    );
  }
  const { endpoints, owner, outputs, pid } = info;
  const tell = (what: string, body: object): Promise<Response | null> =>
    fetch(`${endpoints.control}/sandbox/v1/guests:${what}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }).catch(() => null);
  const answer = await tell('join', { pid: String(process.pid) });
  if (!answer?.ok) return undefined;
  const guest = (await answer.json()) as { guest: string };
  return {
    endpoints,
    owner,
    outputs,
    pid,
    stop: async () => {
      await tell('leave', guest);
    },
  };
}
