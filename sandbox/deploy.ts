import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Deployment, parseDeployment } from '../jobs/deployment.ts';
import { ResealError } from '../jobs/errors.ts';
import type { SandboxEndpoints } from './endpoints.ts';

export interface DeployOptions {
  /** Pulumi.<stack>.yaml holds its settings. */
  stack: string;
  /** Settings on top, `reseal:` before a key may be left out. */
  config: Readonly<Record<string, string>>;
  endpoints: SandboxEndpoints;
  /** Where inventory.json goes. */
  state: string;
}

export type DeployAnswer = { outputs: unknown } | { failed: string };

/**
 * Deploys the Pulumi program into a sandbox and returns the stack's outputs. Again: what exists is brought
 * up to date. In a process of its own, since the mocks and the program's modules are one to a process.
 */
export async function deploy(options: DeployOptions): Promise<Deployment> {
  const child = fork(fileURLToPath(new URL('./deploy-main.ts', import.meta.url)), [], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  child.send(options);
  const answer = await answerOf(child);
  if ('failed' in answer) {
    throw new ResealError(
      'sandbox-deploy',
      `the stack ${options.stack} cannot be deployed: ${answer.failed}`,
      {
        hint: `look at Pulumi.${options.stack}.yaml and the settings given`,
      },
    );
  }
  return parseDeployment(answer.outputs);
}

function answerOf(child: ChildProcess): Promise<DeployAnswer> {
  return new Promise((resolve) => {
    let said = '';
    child.stderr?.on('data', (part) => {
      said += part;
    });
    child.once('message', (message) => resolve(message as DeployAnswer));
    child.once('error', (error) => resolve({ failed: error.message }));
    child.once('exit', (code) => resolve({ failed: said.trim() || `the deployer ended with ${code}` }));
  });
}
