import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { JOB_FILE } from '../jobs/contract/cloud-run.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What the deployed job never asks for: other engines' clients, worker threads, and what compiles for them. */
const LEFT_OUT = [
  '@google-cloud/dataproc',
  '@google-cloud/storage',
  '@google-cloud/workflows',
  'esbuild',
  'piscina',
];

/** CommonJS packages inside a module ask for these. */
const COMMONJS = [
  "import { createRequire as __createRequire } from 'node:module';",
  "import { dirname as __dirnameOf } from 'node:path';",
  "import { fileURLToPath as __pathOf } from 'node:url';",
  'const require = __createRequire(import.meta.url);',
  'const __filename = __pathOf(import.meta.url);',
  'const __dirname = __dirnameOf(__filename);',
].join('\n');

/**
 * Writes the deployed job into a folder: one file with all the packages that it needs, for Cloud Run's Node. Made anew it
 * is the same bytes.
 *
 * @returns the file's path
 */
export async function bundleJob(dist: string): Promise<string> {
  mkdirSync(dist, { recursive: true });
  const outfile = join(dist, JOB_FILE);
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['jobs/cloud-run/deployed-job.ts'],
    outfile,
    bundle: true,
    minify: true,
    keepNames: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: LEFT_OUT,
    banner: { js: COMMONJS },
    legalComments: 'none',
    logLevel: 'error',
  });
  return outfile;
}
