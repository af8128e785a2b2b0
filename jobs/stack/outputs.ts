import { fileURLToPath } from 'node:url';
import type { LocalWorkspace } from '@pulumi/pulumi/automation/index.js';
import { ResealError } from '../contract/errors.ts';

/** The folder with Pulumi.yaml. */
export const PROJECT_FOLDER = fileURLToPath(new URL('../..', import.meta.url));

const INSTALL =
  'install the Pulumi CLI (curl -fsSL https://get.pulumi.com | sh), run `pulumi login`, then try again';

/**
 * Pulumi's Automation API over the project's folder. It is loaded here and not before: it takes a second, and
 * most commands do without.
 *
 * @throws ResealError `pulumi-cli` without a Pulumi CLI that it can use
 */
export async function openWorkspace(): Promise<LocalWorkspace> {
  const { LocalWorkspace: Workspace, PulumiCommand } = await import('@pulumi/pulumi/automation/index.js');
  const pulumiCommand = await PulumiCommand.get().catch((cause: unknown) => {
    const found = !String(cause).includes('ENOENT');
    throw new ResealError(
      'pulumi-cli',
      found
        ? `the Pulumi CLI on the PATH is not usable: ${firstLine(cause)}`
        : 'there is no Pulumi CLI on the PATH',
      // Of a program that is not there the cause is six lines that say no more.
      { hint: INSTALL, ...(found && { cause }) },
    );
  });
  return Workspace.create({ workDir: PROJECT_FOLDER, pulumiCommand });
}

/**
 * The first line of an error that says anything. The CLI's own come after `error: `; of one that ended without a word the
 * Automation API has, behind a code of its own, how it ended.
 */
export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const said =
    /^error: (.+)$/m.exec(text)?.[1] ??
    /^ stderr: (.+)$/m.exec(text)?.[1] ??
    text.split('\n').find((line) => line.trim() !== '');
  return said?.trim() ?? 'it gave no reason';
}

/**
 * Turns what the CLI says into an error that says what to do.
 *
 * @param command what the work does, as the CLI would be told by hand: `stack output`, `destroy`
 * @throws ResealError `stack-missing` for a stack that is not there, `pulumi` for anything else
 */
export async function explained<T>(stack: string, command: string, work: Promise<T>): Promise<T> {
  const { StackNotFoundError } = await import('@pulumi/pulumi/automation/index.js');
  return work.catch((cause: unknown) => {
    if (cause instanceof StackNotFoundError)
      throw new ResealError('stack-missing', `there is no stack ${stack}`, {
        hint: `create it with \`pulumi stack init ${stack}\` and \`pulumi up --stack ${stack}\`, or look at \`pulumi stack ls\``,
        cause,
      });
    throw new ResealError('pulumi', `Pulumi failed on stack ${stack}: ${firstLine(cause)}`, {
      hint: `\`pulumi ${command} --stack ${stack}\` says more`,
      cause,
    });
  });
}

/**
 * The outputs of a deployed stack, as `pulumi stack output` shows them; jobs/contract/deployment.ts says what must be
 * in them. The user's selected stack stays as it is.
 *
 * @throws ResealError `pulumi-cli`, `stack-missing`, `pulumi`, or `stack-empty` before the first update
 */
export async function readStackOutputs(stack: string): Promise<unknown> {
  const workspace = await openWorkspace();
  const outputs = await explained(stack, 'stack output', workspace.stackOutputs(stack));
  if (Object.keys(outputs).length === 0)
    throw new ResealError('stack-empty', `stack ${stack} has no outputs yet`, {
      hint: `run \`pulumi up --stack ${stack}\` first`,
    });
  return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value as unknown]));
}
