import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { ResealError } from '../../jobs/contract/errors.ts';
import { standInBundle } from '../dataproc/bundle.ts';
import { type Deployed, type Deployer, deployer } from '../deploy/deployer.ts';
import { fingerprint, forgetDeployment, keepDeployment, keptDeployment } from '../deploy/kept.ts';
import { rulesOfFile } from '../faults/file.ts';
import { endpointsOf, type SandboxEndpoints } from '../http/endpoints.ts';
import { onlyLoopback } from '../http/environment.ts';
import { JOB_USER, jobUserBindings, policyTagOf } from '../iam/job-user.ts';
import type { DataprocWork } from '../state/dataproc-work.ts';
import { hold, publish, release, type SandboxInfo } from '../state/folder.ts';
import type { Server } from './server.ts';
import { welcome } from './welcome.ts';

/** `npm run sandbox`, and the process that startSandbox starts. */
interface Options {
  state: string;
  port: string;
  stack: string;
  config: Record<string, string>;
  dataproc: DataprocWork;
  faults?: string;
}

const { state, port, stack, config, dataproc, faults } = new Command('sandbox')
  .description('Serves Cloud KMS, BigQuery and Cloud Storage on 127.0.0.1, with the stack deployed into it')
  .option('--state <dir>', 'folder of its keys, tables and objects', '.reseal')
  .option('--port <n>', 'port; 0 takes a free one', '0')
  .option('--stack <name>', 'whose settings to deploy with', 'dev')
  .option('--config <key=value>', 'a setting on top, repeatable', setting, {})
  .addOption(
    new Option('--dataproc <work>', 'what does the work of batches')
      .choices(['spark', 'direct'])
      .default('spark'),
  )
  .option('--faults <file>', 'what is to go wrong, by rules (docs/sandbox.md)')
  .parse()
  .opts<Options>();

function setting(given: string, before: Record<string, string>): Record<string, string> {
  const equals = given.indexOf('=');
  if (equals < 1) throw new ResealError('option-config', `--config takes key=value, not ${given}`);
  return { ...before, [given.slice(0, equals)]: given.slice(equals + 1) };
}

let server: Server | undefined;
let waiting: Deployer | undefined;
let holding = false;
let ending: Promise<void> | undefined;

/** Ends the sandbox once, be it for a signal, for the parent's message or for the parent's death. */
function end(code: number): Promise<void> {
  ending ??= (async () => {
    try {
      waiting?.dismiss();
      await server?.close();
    } finally {
      if (holding) release(state);
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
  mkdirSync(state, { recursive: true, mode: 0o700 });
  hold(state);
  holding = true;
  const rules = faults === undefined ? [] : await rulesOfFile(faults);
  const settings = { bundle: standInBundle(resolve(state)), ...config };
  const made = fingerprint(stack, settings);
  const kept = keptDeployment(state, made);
  if (kept === undefined) waiting = await deployer();
  // After the deployer has begun, which takes longest: loading the services takes a while, too.
  const { startServer } = await import('./server.ts');
  server = await startServer({ state, port: Number(port), dataproc });
  const { iam, origin } = server;
  const owner = endpointsOf(origin, iam.ownerToken);
  const { deployment: outputs, bindings } = kept ?? (await deployed(owner, settings, made));
  server.rename(outputs.project);
  iam.policy.replace([...bindings, ...jobUserBindings(outputs, policyTagOf(bindings))]);
  server.faults.set(rules);
  const endpoints = endpointsOf(origin, iam.token(JOB_USER));
  const info: SandboxInfo = { pid: process.pid, endpoints, owner, outputs, stack, config, dataproc };
  publish(state, info);
  if (process.send) process.send({ ready: info });
  else process.stdout.write(welcome(state, owner, outputs));
} catch (error) {
  const code = error instanceof ResealError ? error.code : 'sandbox-start';
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof ResealError ? error.hint : undefined;
  if (process.send) process.send({ failed: { code, message, hint } }, () => void end(1));
  else {
    process.stderr.write(`${code}: ${message}\n${hint ? `hint: ${hint}\n` : ''}`);
    await end(1);
  }
}
