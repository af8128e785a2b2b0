import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setFaults } from '../../sandbox/faults/client.ts';
import { rulesOfFile } from '../../sandbox/faults/file.ts';
import { type Sandbox, startSandbox } from '../../sandbox/process/start.ts';
import { writeAtomically } from '../../sandbox/state/files.ts';
import { checkFolder, inTurn, isSandbox, isServed } from '../../sandbox/state/folder.ts';
import { SAMPLE_KEK, SAMPLE_USERS } from '../../sandbox/users/samples.ts';
import type { Deployment } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import { commandAt } from './aim.ts';
import { readKeptSettings, settledSettings } from './sandbox-settings.ts';
import type { SandboxOptions, Target } from './target.ts';

/** The settings that a sandbox was made with are kept beside it, so that later commands need not repeat them. */
const SETTINGS = 'settings.json';
const STACK = 'dev';

async function settings({ state, fresh, sourceFormat, keying, setting }: SandboxOptions) {
  const kept = fresh ? {} : await readKeptSettings(join(state, SETTINGS));
  const given = { ...setting, ...(sourceFormat && { sourceFormat }), ...(keying && { keying }) };
  return settledSettings(kept, given);
}

/** Starts the sandbox, or joins the one that serves this folder, and loads what the options name. */
export async function openSandbox(
  options: SandboxOptions & { readonly mustExist?: boolean },
  say: (text: string) => void,
): Promise<Target> {
  checkFolder(options.state);
  if (options.mustExist && !(await isSandbox(options.state)))
    throw new ResealError('sandbox-missing', `there is no sandbox in ${options.state}`, {
      hint: '`npm run trigger` makes one; `--stack NAME` works on a stack that is deployed',
    });
  const { config, before } = await settings(options);
  const as = before.length === 0 ? '' : `, as before with ${before.join(', ')}`;
  if (!isServed(options.state)) say(`starting the sandbox in ${options.state}${as} …\n`);
  const faults = options.faults === undefined ? undefined : await rulesOfFile(options.faults);
  const starting = startSandbox({ ...options, stack: STACK, config, fresh: options.fresh ?? false });
  // Loaded while the sandbox's process starts.
  const schema = import('../contract/deployment.ts');
  const sandbox = await starting;
  const keep = async (): Promise<void> => {
    await mkdir(options.state, { recursive: true });
    writeAtomically(join(options.state, SETTINGS), JSON.stringify(config));
  };
  try {
    const { parseDeployment } = await schema;
    const deployment = parseDeployment(sandbox.outputs);
    // A command that only looks must not find what it has loaded itself.
    if (!options.mustExist)
      await inTurn(options.state, async () => {
        const first = !existsSync(join(options.state, SETTINGS));
        await fill(sandbox, deployment, options, first, say);
        // A new sandbox is what its settings made it; those of a run that an older one turns down must not stay.
        if (first) await keep();
      });
    if (faults !== undefined) await setFaults(sandbox.endpoints, faults);
    return {
      deployment,
      endpoints: sandbox.endpoints,
      next: `next: ${commandAt({ state: options.state }, 'npm run reseal -- read --limit 3')}`,
      keep,
      close: () => sandbox.stop(),
    };
  } catch (error) {
    await sandbox.stop();
    throw error;
  }
}

/** A new sandbox without users of the caller's gets the project's own samples. */
async function fill(
  { owner }: Sandbox,
  deployment: Deployment,
  options: SandboxOptions,
  first: boolean,
  say: (text: string) => void,
): Promise<void> {
  const samples = first && options.users === undefined;
  const kek = options.kek ?? (samples ? SAMPLE_KEK : undefined);
  const users = options.users ?? (samples ? SAMPLE_USERS : undefined);
  if (kek === undefined && users === undefined) return;
  const { importKek, loadUsers } = await import('../../sandbox/users/load.ts');
  if (kek !== undefined) await importKek(owner, deployment, kek);
  if (users === undefined) return;
  const { inserted, changed } = await loadUsers(owner, deployment, users);
  const whose = samples ? 'the sample users' : users;
  say(`sandbox ${options.state}: loaded ${whose}: ${inserted} new, ${changed} changed\n`);
}
