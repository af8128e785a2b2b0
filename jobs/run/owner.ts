import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { jobOwner } from '../contract/cloud-run.ts';

/**
 * Names of the processes that drive runs: `job:HOST:PID:MACHINE-RANDOM`. Each drive has one of its own, so that a
 * process is told apart from a later one with the same number. One that Cloud Run has started bears its execution's.
 */

/** The drives of this process that have not ended. */
const driving = new Set<string>();

/** A name for one drive by this process, which counts as alive until `released`. */
export function newOwner(): string {
  const owner = `job:${hostname()}:${process.pid}:${machine()}-${randomBytes(4).toString('hex')}`;
  driving.add(owner);
  return owner;
}

export const released = (owner: string): boolean => driving.delete(owner);

const PROCESS = /^job:(.*):(\d+):([0-9a-f]*)-[0-9a-f]+$/;

/**
 * Whether an owner is certainly gone: a process of this machine that does not exist any more. Of any other it is
 * only known how long it has been silent.
 */
export function isGone(owner: string): boolean {
  const [, , pid, where] = PROCESS.exec(owner) ?? [];
  if (pid === undefined || !where || where !== machine()) return false;
  if (Number(pid) === process.pid) return !driving.has(owner);
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/**
 * An owner in the words that its user reads.
 *
 * @example
 * described('job:host-a:4711:9f3a1c2b-00ff00ff'); // 'process 4711 on host-a'
 * described('workflow:5f2c'); // 'execution 5f2c of the workflow'
 * described('cloud-run:reseal-dev-x7k2p:9f3a1c:workflow:5f2c'); // 'execution reseal-dev-x7k2p of the Cloud Run job'
 */
export function described(owner: string | null): string {
  if (owner === null) return 'somebody who has just let go of it';
  const [, host, pid] = PROCESS.exec(owner) ?? [];
  if (pid !== undefined) return `process ${pid} on ${host}`;
  const job = jobOwner(owner);
  if (job !== null) return `execution ${job.execution} of the Cloud Run job`;
  return owner.startsWith('workflow:')
    ? `execution ${owner.slice('workflow:'.length)} of the workflow`
    : owner;
}

let known: string | undefined;

/**
 * Where process numbers mean the same: this start of this kernel, and in it this container. Empty where that cannot
 * be told, and then no process is known to be gone.
 * https://man7.org/linux/man-pages/man7/pid_namespaces.7.html
 */
function machine(): string {
  known ??= (() => {
    try {
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      const namespace = readlinkSync('/proc/self/ns/pid');
      return createHash('sha256').update(`${boot} ${namespace}`).digest('hex').slice(0, 8);
    } catch {
      return '';
    }
  })();
  return known;
}
