import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import type { LocalWorkspace } from '@pulumi/pulumi/automation/index.js';
import { ResealError } from '../contract/errors.ts';
import { explained, firstLine, PROJECT_FOLDER } from './outputs.ts';

/**
 * Secrets of a stack's configuration. Its file holds them encrypted with a key of that stack alone, so that another stack
 * gets the values themselves, which Pulumi encrypts for it. They pass through this process's memory and a pipe, and through
 * nothing that others see.
 * https://www.pulumi.com/docs/iac/concepts/secrets/
 */

/** Configuration as it stands in a stack's file. */
export type StackConfig = Record<string, unknown>;

/** How a stack's file has a secret. */
const isSecret = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.keys(value).length === 1 &&
  typeof (value as { secure?: unknown }).secure === 'string';

/** Whether a value is a secret, or has one in it. */
export const hasSecret = (value: unknown): boolean =>
  isSecret(value) || (typeof value === 'object' && value !== null && Object.values(value).some(hasSecret));

/**
 * The keys of a configuration that are secrets, and what the others are set to.
 *
 * @throws ResealError `stack-secret` for a value that has a secret in it
 * @example
 * apart({ 'gcp:accessToken': { secure: 'v1:…' }, 'gcp:region': 'us-central1' });
 * // { secrets: ['gcp:accessToken'], plain: { 'gcp:region': 'us-central1' } }
 */
export function apart(config: StackConfig): { secrets: string[]; plain: StackConfig } {
  const secrets = Object.keys(config).filter((key) => isSecret(config[key]));
  const plain = Object.entries(config).filter(([key]) => !secrets.includes(key));
  for (const [key, value] of plain)
    if (hasSecret(value))
      throw new ResealError(
        'stack-secret',
        `${key} of dev has a secret in it, which another stack cannot read`,
        {
          hint: `set it as a secret as a whole: \`pulumi config set --secret ${key} --stack dev\`, its value as JSON on stdin`,
        },
      );
  return { secrets, plain: Object.fromEntries(plain) };
}

/**
 * What secrets of dev say.
 *
 * @throws ResealError `stack-missing` or `pulumi`, without what Pulumi has printed, `stack-secret`
 */
export async function secretsOfDev(
  workspace: LocalWorkspace,
  keys: readonly string[],
): Promise<[key: string, value: string][]> {
  const all = await explained('dev', 'config', workspace.getAllConfig('dev')).catch((error: ResealError) => {
    const { code, message, hint = '' } = error;
    throw new ResealError(code, message, { hint });
  });
  return keys.map((key) => {
    const value = all[key]?.value;
    if (value !== undefined) return [key, value];
    throw new ResealError('stack-secret', `Pulumi does not know the secret ${key} of dev`, {
      hint: `\`pulumi config get ${key} --stack dev\` says more`,
    });
  });
}

/**
 * Sets a secret of a stack. The value goes to the CLI by its standard input: the Automation API would have it as an argument,
 * which every process of the machine can read.
 *
 * @throws ResealError `pulumi`
 */
export async function setSecret(
  { pulumiCommand }: LocalWorkspace,
  stack: string,
  key: string,
  value: string,
): Promise<void> {
  const args = ['config', 'set', '--secret', '--stack', stack, '--non-interactive', key];
  const child = spawn(pulumiCommand.command, args, {
    cwd: PROJECT_FOLDER,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) =>
    child.on('error', reject).on('close', resolve),
  );
  // A CLI that ends before it has read everything says why itself.
  child.stdin.on('error', () => {});
  // The CLI takes one end of a line away.
  child.stdin.end(`${value}\n`);
  const [code, said] = await Promise.all([ended, text(child.stderr)]);
  if (code === 0) return;
  const reason = said.includes(value) ? 'it gave no reason that can be shown' : firstLine(said);
  throw new ResealError('pulumi', `Pulumi failed on stack ${stack}, secret ${key}: ${reason}`, {
    hint: `\`pulumi config set --secret ${key} --stack ${stack}\` says more`,
  });
}
