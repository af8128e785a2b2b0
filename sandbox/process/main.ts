import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { CommanderError } from 'commander';
import { EXIT, exitCodeOf } from '../../jobs/contract/error-codes.ts';
import { ResealError } from '../../jobs/contract/errors.ts';
import { standInJob } from '../cloud-run/stand-in.ts';
import { standInBundle } from '../dataproc/bundle.ts';
import { type Deployed, type Deployer, deployer } from '../deploy/deployer.ts';
import { fingerprint, forgetDeployment, keepDeployment, keptDeployment } from '../deploy/kept.ts';
import { rulesOfFile } from '../faults/file.ts';
import { endpointsOf, type SandboxEndpoints } from '../http/endpoints.ts';
import { onlyLoopback } from '../http/environment.ts';
import { JOB_USER, jobUserBindings, policyTagOf } from '../iam/job-user.ts';
import { hold, publish, release, type SandboxInfo } from '../state/folder.ts';
import { type Options, optionsOf } from './options.ts';
import type { Server } from './server.ts';
import { welcome } from './welcome.ts';

/** `npm run sandbox`, and the process that startSandbox starts. */

let server: Server | undefined;
let waiting: Deployer | undefined;
/** The folder that this process holds. */
let held: string | undefined;
let ending: Promise<void> | undefined;

/** Ends the sandbox once, be it for a signal, for the parent's message or for the parent's death. */
function end(code: number): Promise<void> {
  ending ??= (async () => {
    try {
      waiting?.dismiss();
      await server?.close();
    } finally {
      if (held !== undefined) release(held);
      process.exit(code);
    }
  })();
  return ending;
}

const host = process.ppid;

/** The host is done, or has ended. Where other processes have joined, it may go, and they are served until they are done. */
async function dismissed(): Promise<void> {
  const guests = server?.guests;
  if (guests !== undefined && !guests.areGone(host)) {
    if (process.connected) process.send?.('staying');
    await guests.gone(host);
  }
  await end(0);
}

// Ctrl-C, and the end of a terminal, go to all of its processes: a host that started this one for itself may still need
// it, to put its run in order.
for (const signal of ['SIGINT', 'SIGHUP'])
  process.on(signal, () => process.send === undefined && void end(0));
process.once('SIGTERM', () => void end(0));
process.once('disconnect', () => void dismissed());
process.on('message', (message) => {
  if (message === 'stop') void dismissed();
});
// Nobody may be there any more to read it.
process.stderr.on('error', () => {});

/** Has the waiting deployer run the program, and keeps what it made. */
async function deployed(
  { state, stack }: Options,
  endpoints: SandboxEndpoints,
  settings: Readonly<Record<string, string>>,
  made: string,
): Promise<Deployed> {
  forgetDeployment(state);
  waiting ??= await deployer();
  const fresh = await waiting.deploy({ stack, config: settings, endpoints, state });
  keepDeployment(state, made, fresh);
  return fresh;
}

// For the programs of its batches.
onlyLoopback();
try {
  const options = optionsOf(process.argv.slice(2));
  const { state, stack, config, dataproc, faults } = options;
  mkdirSync(state, { recursive: true, mode: 0o700 });
  hold(state);
  held = state;
  const rules = faults === undefined ? [] : await rulesOfFile(faults);
  const bundle = standInBundle(resolve(state));
  standInJob(bundle);
  const settings = { bundle, ...config };
  const made = fingerprint(stack, settings);
  const kept = keptDeployment(state, made);
  if (kept === undefined) waiting = await deployer();
  // After the deployer has begun, which takes longest: loading the services takes a while, too.
  const { startServer } = await import('./server.ts');
  server = await startServer({ state, port: options.port, dataproc });
  const { iam, origin } = server;
  const owner = endpointsOf(origin, iam.ownerToken);
  const { deployment: outputs, bindings } = kept ?? (await deployed(options, owner, settings, made));
  server.rename(outputs.project);
  iam.policy.replace([...bindings, ...jobUserBindings(outputs, policyTagOf(bindings))]);
  server.faults.set(rules);
  const endpoints = endpointsOf(origin, iam.token(JOB_USER));
  const info: SandboxInfo = { pid: process.pid, endpoints, owner, outputs, stack, config, dataproc };
  publish(state, info);
  if (process.send) process.send({ ready: info });
  else process.stdout.write(welcome(state, owner, outputs));
} catch (error) {
  await failed(error);
}

/** Ends the process with what went wrong: for its host a message, on a terminal lines as every command prints them. */
async function failed(error: unknown): Promise<void> {
  // Commander has said what was wrong; help ends here, too.
  if (error instanceof CommanderError) return end(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
  const { code, message, hint, cause } =
    error instanceof ResealError
      ? error
      : new ResealError('sandbox-start', error instanceof Error ? error.message : String(error));
  if (process.send) {
    process.send({ failed: { code, message, hint } }, () => void end(EXIT.failed));
    return;
  }
  process.stderr.write(`error (${code}): ${message}\n`);
  if (cause instanceof Error) process.stderr.write(`cause: ${cause.message}\n`);
  if (hint !== undefined) process.stderr.write(`hint: ${hint}\n`);
  await end(exitCodeOf(code));
}
