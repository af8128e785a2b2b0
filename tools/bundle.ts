import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { JOB_FILE } from '../jobs/contract/cloud-run.ts';
import { ResealError } from '../jobs/contract/errors.ts';
import { currentVenv, findPython, run } from '../jobs/spark/venv.ts';
import { bundleJob } from './bundle-job.ts';

/**
 * What `pulumi up` uploads, in jobs/spark/dist: the files of the Dataproc batch, main.py, reseal.zip (the package) and
 * wheels.zip (what the executors import and the runtime has not, or not in this version), and job.mjs, the job as Cloud Run
 * runs it. Made anew they are the same bytes, so the names that Pulumi derives from their contents stay the same too.
 */

const application = fileURLToPath(new URL('../jobs/spark', import.meta.url));
const script = fileURLToPath(new URL('python/make_bundle.py', import.meta.url));

/** SHA-256, in hex, of each file of the bundle by its name. */
export type BundleHashes = Record<'main.py' | 'reseal.zip' | 'wheels.zip' | typeof JOB_FILE, string>;

/** Builds the bundle. Throws `python-missing`, or `bundle-failed` where the wheels cannot be had. */
export async function bundle(dist = `${application}/dist`): Promise<BundleHashes> {
  // It needs no Python: a stack without batches has all that it needs.
  const job = await bundleJob(dist);
  const python = currentVenv() ?? findPython();
  const { code, tail } = await run(python, [script, application, dist]);
  if (code === 0) return { ...JSON.parse(tail.slice(tail.lastIndexOf('{'))), [JOB_FILE]: sha256(job) };
  throw new ResealError('bundle-failed', `the bundle of wheels could not be made:\n${tail}`, {
    hint: 'it needs pip (apt-get install python3-pip) and the Python package index; try `npm run bundle` again',
  });
}

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    for (const [name, hash] of Object.entries(await bundle())) process.stdout.write(`${hash}  ${name}\n`);
  } catch (error) {
    if (!(error instanceof ResealError)) throw error;
    process.stderr.write(`${error.message}\n${error.hint ? `hint: ${error.hint}\n` : ''}`);
    process.exitCode = 1;
  }
}
