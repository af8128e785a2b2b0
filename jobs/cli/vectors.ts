import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ResealError } from '../contract/errors.ts';
import { checkVector, vectorsSchema } from '../envelope/check-vector.ts';
import { currentVenv } from '../spark/venv.ts';
import { EXIT } from './exit.ts';

const spark = fileURLToPath(new URL('../spark', import.meta.url));

/**
 * Runs a vectors file through the envelope code, the Spark application's and this one, and ends with
 * `N passed, N failed`.
 */
export async function vectors(file: string): Promise<void> {
  const parsed = vectorsSchema.safeParse(await contents(file));
  if (!parsed.success) {
    const [first] = parsed.error.issues;
    throw new ResealError('vectors-file', `${file}: ${first?.path.join('.')}: ${first?.message}`, {
      hint: 'docs/vectors.md describes the format',
    });
  }
  const pythonFailed = !inPython(file);
  const failures = parsed.data.vectors.flatMap((vector, at) => {
    const failure = checkVector(vector);
    return failure === null ? [] : [`vector ${at} (${vector.kind}): ${failure}\n`];
  });
  const passed = parsed.data.vectors.length - failures.length;
  process.stdout.write(`${failures.join('')}${passed} passed, ${failures.length} failed\n`);
  if (failures.length > 0 || pythonFailed) process.exitCode = EXIT.failed;
}

/** The Spark application's code, where its environment is; false where a vector failed. */
function inPython(file: string): boolean {
  const python = currentVenv();
  if (python === null) {
    process.stdout.write('python: not run, its environment is missing; `npm run venv` makes it\n');
    return true;
  }
  const env = { ...process.env, PYTHONPATH: spark };
  const { status, stdout, stderr } = spawnSync(python, ['-m', 'reseal.check_vector', file], {
    env,
    encoding: 'utf8',
  });
  const lines = stdout.trimEnd().split('\n');
  process.stdout.write(lines.map((line) => `python: ${line}\n`).join(''));
  if (status !== 0) process.stderr.write(stderr);
  return status === 0;
}

async function contents(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new ResealError('vectors-file', `cannot read ${file} as JSON`, { cause: error });
  }
}
