import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { RunOptions } from '../../jobs/run/context.ts';
import { setFaults } from '../../sandbox/faults/client.ts';
import type { SandboxEndpoints } from '../../sandbox/http/endpoints.ts';
import { begin } from './runs.ts';
import { truth } from './truth.ts';
import { child, serve, serveApart, type World } from './world.ts';

/** A sandbox and a run in it, one of them in a process that can be killed: by a rule of kind `kill`, or by time. */
export interface Victim {
  readonly owner: SandboxEndpoints;
  /** Carries the run out until it ends or is killed. Returns whether it was killed. */
  run(options: RunOptions, killAfterMs: number | undefined): Promise<boolean>;
  /** A sandbox on what the kill left. */
  remains(): Promise<SandboxEndpoints>;
  close(): Promise<void>;
}

/** Some time that a process takes to load its modules: a kill before that would meet nothing. */
const START_MS = 1_000;

/** The job's process alone is killed; what it had begun in the sandbox comes to its end. */
export async function jobVictim(world: World, state: string): Promise<Victim> {
  let job: ChildProcess | undefined;
  const kill = (): void => void job?.kill('SIGKILL');
  const served = await serve(world, state, kill);
  return {
    owner: served.owner,
    async run(options, killAfterMs) {
      job = child('job-process', { deployment: world.deployment, endpoints: served.job, options });
      const exited = once(job, 'exit');
      if (killAfterMs !== undefined) setTimeout(kill, killAfterMs + START_MS).unref();
      const [, signal] = await exited;
      return signal === 'SIGKILL';
    },
    async remains() {
      await setFaults(served.owner, []);
      await (await truth(world.deployment, served.owner)).settled();
      return served.owner;
    },
    close: () => served.close(),
  };
}

/** The sandbox's process is killed, and the run with it. */
export async function sandboxVictim(world: World, state: string): Promise<Victim> {
  const { job, owner, process } = await serveApart(world, state);
  const exited = once(process, 'exit').then(() => true);
  let again: Awaited<ReturnType<typeof serve>> | undefined;
  async function end(): Promise<void> {
    process.kill('SIGKILL');
    await exited;
  }
  return {
    owner,
    async run(options, killAfterMs) {
      const controller = new AbortController();
      const running = begin(world.deployment, job, options, controller.signal).then(
        () => false,
        // A run that finds its cloud gone is as good as dead.
        () => exited,
      );
      const timer =
        killAfterMs === undefined ? undefined : setTimeout(() => process.kill('SIGKILL'), killAfterMs);
      const reached = await Promise.race([exited, running]);
      clearTimeout(timer);
      controller.abort();
      await end();
      // It lives in this process, which must not seem to drive the run any longer.
      await running;
      return reached;
    },
    async remains() {
      again = await serve(world, state, () => {});
      return again.owner;
    },
    async close() {
      await end();
      await again?.close();
    },
  };
}
