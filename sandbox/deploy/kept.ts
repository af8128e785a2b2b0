import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readJsonFile, writeAtomically } from '../state/files.ts';
import { DATABASE } from '../state/folder.ts';
import type { Deployed } from './deployer.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FILE = 'deployment.json';
/** Everything that decides what a deployment makes, besides the settings given: the program, and who carries it out. */
const SOURCES = ['index.ts', 'Pulumi.yaml', 'package-lock.json', 'infra', 'jobs/contract', 'sandbox/deploy'];

/**
 * Names a deployment by what it is made from, the texts of the program included: the same name, the same deployment.
 * It takes some milliseconds, and a deployment takes seconds.
 */
export function fingerprint(
  stack: string,
  config: Readonly<Record<string, string>>,
  read: (path: string) => string | Buffer = (path) => readFileSync(path),
): string {
  const hash = createHash('sha256').update(JSON.stringify([stack, Object.entries(config).sort()]));
  const { bundle = [] } = config;
  for (const path of [...SOURCES, `Pulumi.${stack}.yaml`, bundle].flat().map((name) => resolve(ROOT, name)))
    for (const file of filesOf(path)) hash.update(`\n${file}\n`).update(read(file));
  return hash.digest('hex');
}

function filesOf(path: string): string[] {
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return [path];
  const names = readdirSync(path).sort();
  return names.flatMap((name) => filesOf(join(path, name)));
}

interface Kept extends Deployed {
  readonly fingerprint: string;
}

/** What the last deployment into the folder made, if it was made from the same; undefined otherwise. */
export function keptDeployment(state: string, made: string): Deployed | undefined {
  const kept = readJsonFile(join(state, FILE)) as Kept | undefined;
  // Without its tables a folder has nothing of what was made.
  return kept?.fingerprint === made && existsSync(join(state, DATABASE)) ? kept : undefined;
}

/** Keeps it for the next start. */
export function keepDeployment(state: string, made: string, { deployment, bindings }: Deployed): void {
  const kept: Kept = { fingerprint: made, deployment, bindings };
  writeAtomically(join(state, FILE), JSON.stringify(kept));
}

/** To be called before a deployment begins: one that breaks off half-way must not be taken for the one before. */
export function forgetDeployment(state: string): void {
  rmSync(join(state, FILE), { force: true });
}
