import { type Deployment, parseDeployment } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import type { Endpoints } from '../google/clients.ts';
import type { LocalOptions } from './sandbox.ts';

/** Where a command works. */
export interface Target {
  readonly deployment: Deployment;
  /** Undefined for Google Cloud itself. */
  readonly endpoints?: Endpoints;
  /** What the user may want to do next. */
  readonly next: string;
  close(): Promise<void>;
}

export interface TargetOptions extends LocalOptions {
  readonly stack?: string;
}

/** Options that make or fill a sandbox and would be lost on a stack. */
const LOCAL_ONLY = ['fresh', 'users', 'kek', 'sourceFormat', 'keying', 'setting'] as const;

/** Opens a stack by its outputs, or the sandbox, made on the way where there is none. Throws ResealError. */
export async function openTarget(options: TargetOptions, say: (text: string) => void): Promise<Target> {
  if (options.stack === undefined) return (await import('./sandbox.ts')).openLocal(options, say);
  for (const name of LOCAL_ONLY) {
    const given = options[name];
    if (given === undefined || (typeof given === 'object' && Object.keys(given).length === 0)) continue;
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new ResealError(
      'option-local',
      `--${flag} is for the sandbox; a stack has a setting or a table for it`,
      {
        hint: `leave --${flag} or --stack out`,
      },
    );
  }
  const { readStackOutputs } = await import('../stack/outputs.ts');
  const deployment = parseDeployment(await readStackOutputs(options.stack));
  return {
    deployment,
    next: `next: npm run reseal -- history --stack ${options.stack}`,
    close: async () => {},
  };
}
