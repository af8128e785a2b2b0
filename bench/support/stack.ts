import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Deployment, parseDeployment } from '../../jobs/contract/deployment.ts';
import { type Sandbox, startSandbox } from '../../sandbox/process/start.ts';
import { importKek, loadUsers } from '../../sandbox/users/load.ts';

/** Works in a folder that is gone afterwards. */
export async function inScratch(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'reseal-bench-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A stack on a sandbox, which runs as a process of its own until it is stopped. */
export interface BenchStack {
  readonly sandbox: Sandbox;
  readonly deployment: Deployment;
}

/** Deploys the stack of dev, with further settings, into a folder, and loads users. */
export async function stackWith(
  state: string,
  files: { readonly users: string; readonly kek: string },
  config: Readonly<Record<string, string>> = {},
): Promise<BenchStack> {
  const sandbox = await startSandbox({ state, stack: 'dev', config });
  const deployment = parseDeployment(sandbox.outputs);
  await importKek(sandbox.owner, deployment, files.kek);
  await loadUsers(sandbox.owner, deployment, files.users);
  // As `npm run trigger` keeps them: one that joins this sandbox goes by them, and loads no samples.
  writeFileSync(join(state, 'settings.json'), JSON.stringify(config));
  return { sandbox, deployment };
}
