import { type ChildProcess, fork } from 'node:child_process';
import { compiled } from '../../bin/compiled.js';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { ResealError } from '../../jobs/contract/errors.ts';
import type { SandboxEndpoints } from '../http/endpoints.ts';
import type { Binding } from '../iam/policy.ts';

export interface DeployOptions {
  /** Pulumi.<stack>.yaml holds its settings. */
  stack: string;
  /** Settings on top, `reseal:` before a key may be left out. */
  config: Readonly<Record<string, string>>;
  /** The sandbox's endpoints, with the owner's token. */
  endpoints: SandboxEndpoints;
  /** The folder that inventory.json is written to. */
  state: string;
}

export type DeployAnswer = { outputs: unknown; bindings: readonly Binding[] } | { failed: string };

/** What the program made: its outputs, and whom it lets do what. */
export interface Deployed {
  readonly deployment: Deployment;
  readonly bindings: readonly Binding[];
}

/** A process that has begun to load Pulumi and waits for what to deploy. */
export interface Deployer {
  /** Deploys once. @throws ResealError sandbox-deploy with the errors of the program or of the sandbox */
  deploy(options: DeployOptions): Promise<Deployed>;
  /** Ends the process without a deployment. */
  dismiss(): void;
}

/**
 * Starts a deployer: a process of its own, since Pulumi's mocks and the program's modules exist once a process.
 * It is started early, since loading them takes longer than anything else.
 */
export async function deployer(): Promise<Deployer> {
  const child = fork(await compiled('sandbox/deploy/program.ts'), [], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const answered = answerOf(child);
  return {
    async deploy(options) {
      child.send(options);
      const answer = await answered;
      if (!('failed' in answer)) {
        // Only here: most starts have a deployment to go on with, and the schema takes long to load.
        const { parseDeployment } = await import('../../jobs/contract/deployment.ts');
        return { deployment: parseDeployment(answer.outputs), bindings: answer.bindings };
      }
      const message = `the stack ${options.stack} cannot be deployed: ${answer.failed}`;
      throw new ResealError('sandbox-deploy', message, {
        hint: `look at Pulumi.${options.stack}.yaml and the settings given`,
      });
    },
    dismiss() {
      if (child.connected) child.disconnect();
    },
  };
}

/** Deploys the Pulumi program into a sandbox; again, what exists is brought up to date. */
export const deploy = async (options: DeployOptions): Promise<Deployed> => (await deployer()).deploy(options);

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
