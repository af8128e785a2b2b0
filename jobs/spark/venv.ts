import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ResealError } from '../contract/errors.ts';

/**
 * The Python environment of the Spark application and of the test oracles: one `.venv` in the repository's
 * root, made from the hashed lock tools/python/requirements.txt. Run as a program it makes it.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where an environment stands and which hashed lock it is made from. */
export interface VenvPlan {
  directory: string;
  requirements: string;
  /** Whether Spark will run in it: then Java 17, the runtime's, has to be there too. */
  java: boolean;
}

const defaults: VenvPlan = {
  directory: join(root, '.venv'),
  requirements: join(root, 'tools/python/requirements.txt'),
  java: false,
};

/** Preferred first: the runtime's own Python, then those that the lock resolves for as well. */
const PYTHONS = ['python3.11', 'python3.12', 'python3.10', 'python3'];
const SUPPORTED = /^3\.(10|11|12)$/;

const stampOf = (requirements: string): string =>
  createHash('sha256').update(readFileSync(requirements)).digest('hex');

/** The Python of an environment that is whole and of the present lock; null if it has yet to be made. */
export function currentVenv(plan: Partial<VenvPlan> = {}): string | null {
  const { directory, requirements } = { ...defaults, ...plan };
  const mark = join(directory, 'reseal-lock');
  const python = join(directory, 'bin', 'python');
  if (!existsSync(mark) || !existsSync(python)) return null;
  return readFileSync(mark, 'utf8') === stampOf(requirements) ? python : null;
}

/** Whether Java 17 stands on JAVA_HOME or on the PATH (Spark 3.5 does not support a later one). */
export function hasJava17(): boolean {
  const home = process.env.JAVA_HOME;
  const java = home ? join(home, 'bin', 'java') : 'java';
  return /java\.specification\.version = 17\b/.test(printed(java, ['-XshowSettings:properties', '-version']));
}

/**
 * Makes the environment if it is missing, half-made or of another lock, and gives the path of its Python.
 * Callers at the same time wait for one creation. Throws `python-missing` or `java-missing` with the line
 * that installs it, and `venv-failed` when pip does not get through.
 */
export async function ensureVenv(plan: Partial<VenvPlan> = {}): Promise<string> {
  const { directory, requirements, java } = { ...defaults, ...plan };
  if (java && !hasJava17()) {
    throw new ResealError('java-missing', 'Spark needs Java 17, and there is none on JAVA_HOME or the PATH', {
      hint: 'apt-get install openjdk-17-jre-headless (macOS: brew install openjdk@17), or set JAVA_HOME',
    });
  }
  const current = currentVenv({ directory, requirements });
  if (current !== null) return current;
  // Beside the environment: the sandbox's folder is the sandbox's alone, and --fresh empties no other.
  const mutex = `${directory}.mutex`;
  const script = join(root, 'tools/python/make_venv.py');
  const { code, tail } = await run(findPython(), [
    script,
    directory,
    requirements,
    stampOf(requirements),
    mutex,
  ]);
  if (code === 0) return join(directory, 'bin', 'python');
  if (code === 3) {
    throw new ResealError('python-missing', 'this Python has no working venv module', {
      hint: 'apt-get install python3-venv',
    });
  }
  throw new ResealError('venv-failed', `the Python environment could not be made:\n${tail}`, {
    hint: 'it needs the Python package index once; try `npm run venv` again',
  });
}

/** A Python of a supported version, or ResealError `python-missing`. */
export function findPython(): string {
  const ask = ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'];
  const wanted = process.env.RESEAL_PYTHON;
  for (const candidate of wanted ? [wanted] : PYTHONS) {
    if (SUPPORTED.test(printed(candidate, ask).trim())) return candidate;
  }
  throw new ResealError('python-missing', 'Python 3.10, 3.11 or 3.12 is needed, and there is none', {
    hint: 'apt-get install python3 python3-venv (macOS: brew install python@3.11), or set RESEAL_PYTHON to one',
  });
}

/** What a command prints, on either stream (Java's settings are on the second); nothing if it is not there. */
function printed(command: string, args: string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return `${stdout ?? ''}${stderr ?? ''}`;
}

/** Runs a program to its end; of what it said on either stream the last lines are kept, for the error. */
export function run(command: string, args: string[]): Promise<{ code: number; tail: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const keep = (chunk: Buffer): void => {
      said = (said + chunk.toString()).slice(-4000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, tail: said.trimEnd() }));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.stdout.write(`${await ensureVenv({ java: true })}\n`);
  } catch (error) {
    if (!(error instanceof ResealError)) throw error;
    process.stderr.write(`${error.message}\n${error.hint ? `hint: ${error.hint}\n` : ''}`);
    process.exitCode = 1;
  }
}
