import { ResealError } from '../contract/errors.ts';
import { commandAt } from './aim.ts';
import type { Target, TargetOptions } from './target.ts';

/** Options that make or fill a sandbox and would be lost on a stack. */
const SANDBOX_ONLY = ['fresh', 'users', 'kek', 'sourceFormat', 'keying', 'setting', 'faults'] as const;

/**
 * Opens a stack by its outputs, or the sandbox, made on the way where there is none. What takes longer than a moment
 * is said first. Throws ResealError.
 */
export async function openTarget(options: TargetOptions, say: (text: string) => void): Promise<Target> {
  if (options.stack === undefined) {
    return (await import('./sandbox.ts')).openSandbox(options, say);
  }
  rejectSandboxOptions(options);
  rejectEmulators();
  say(`reading the outputs of stack ${options.stack} …\n`);
  const { readStackOutputs } = await import('../stack/outputs.ts');
  const { parseDeployment } = await import('../contract/deployment.ts');
  const deployment = parseDeployment(await readStackOutputs(options.stack));
  return {
    deployment,
    next: `next: ${commandAt({ stack: options.stack }, 'npm run reseal -- history')}`,
    keep: async () => {},
    close: async () => {},
  };
}

function rejectSandboxOptions(options: TargetOptions): void {
  for (const name of SANDBOX_ONLY) {
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
}

/** Google's clients go by these before all that they are told, and Reseal asks more than an emulator has. */
function rejectEmulators(): void {
  for (const variable of ['BIGQUERY_EMULATOR_HOST', 'STORAGE_EMULATOR_HOST']) {
    if (process.env[variable] === undefined) continue;
    throw new ResealError(
      'emulator-host',
      `${variable} names a host that would be called in the place of Google`,
      {
        hint: `unset ${variable}`,
      },
    );
  }
}
