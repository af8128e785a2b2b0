import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { GoogleError } from '../errors/google-error.ts';
import { type Route, readJson, required } from '../http/router.ts';
import { isAlive } from '../state/folder.ts';

/** How often is looked whether a guest has ended without a word. */
const LOOK_MS = 200;

/** The processes that use a sandbox which another one has started: it serves on until the last of them has left. */
export class Guests {
  readonly #pids = new Map<string, number>();
  #closed = false;

  /** Whether there are none that have neither left nor ended. The sandbox's host is none. */
  areGone(host: number): boolean {
    for (const [guest, pid] of this.#pids) if (pid === host || !isAlive(pid)) this.#pids.delete(guest);
    return this.#pids.size === 0;
  }

  async gone(host: number): Promise<void> {
    while (!this.areGone(host)) await sleep(LOOK_MS);
  }

  /** Takes no more of them: the sandbox is about to end. */
  close(): void {
    this.#closed = true;
  }

  routes(): Route[] {
    return [
      {
        method: 'POST',
        path: '/sandbox/v1/guests:join',
        handle: async (call) => {
          const pid = Number(required((await readJson(call)).pid, 'pid'));
          if (this.#closed) throw new GoogleError('UNAVAILABLE', 'The sandbox is about to end.');
          const guest = randomUUID();
          this.#pids.set(guest, pid);
          return { guest };
        },
      },
      {
        method: 'POST',
        path: '/sandbox/v1/guests:leave',
        handle: async (call) => {
          this.#pids.delete(required((await readJson(call)).guest, 'guest'));
          return {};
        },
      },
    ];
  }
}
