import { once } from 'node:events';
import { closeSync } from 'node:fs';

/** What a write fails with once nobody reads: a pipe (write(2)), a socket in a pipe's place, a terminal that was closed. */
const UNREAD = ['EPIPE', 'ECONNRESET', 'EIO'];

let unread = false;

/**
 * From now on output that nobody reads any more is dropped, where Node would end the process in the middle of a run.
 * Called once, before anything is written.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!UNREAD.includes(error.code ?? '')) throw error;
      if (stream === process.stdout) unread = true;
    });
}

/**
 * For a process whose terminal has been closed. Node sets terminals back when it ends, and before
 * https://github.com/nodejs/node/pull/58200 aborts over one that is gone; what is not open it leaves alone.
 */
export function leaveTerminal(): void {
  process.once('exit', () => {
    for (const descriptor of [0, 1, 2]) {
      try {
        closeSync(descriptor);
      } catch {
        // Not open.
      }
    }
  });
}

/** Whether whoever read stdout has gone; known once what has been written has come through. */
export async function isUnread(): Promise<boolean> {
  await new Promise((resolve) => setImmediate(resolve));
  return unread;
}

/** Ends a command whose only purpose is its output. */
export class Unread extends Error {
  override readonly name = 'Unread';
}

/** Writes to stdout no faster than its reader takes it. Throws `Unread` once there is none. */
export async function write(text: string): Promise<void> {
  if (!unread && process.stdout.write(text)) return;
  if (!unread) await once(process.stdout, 'drain').catch(() => {});
  if (unread) throw new Unread('nobody reads what is written to stdout');
}
