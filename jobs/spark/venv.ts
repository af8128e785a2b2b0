import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ResealError } from '../contract/errors.ts';

/**
 * The Python environment of the Spark application and of the test oracles: one `.venv` in the repository's
 * root (or where RESEAL_VENV says), made from the hashed lock tools/python/requirements.txt. Run as a program it
 * makes it.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where an environment stands and which hashed lock it is made from. */
export interface VenvPlan {
  readonly directory: string;
  readonly requirements: string;
  /** Whether Spark runs in it: then the jars that it needs are fetched, too. */
  readonly spark?: boolean;
}

const defaults: VenvPlan = {
  directory: process.env.RESEAL_VENV ?? join(root, '.venv'),
  requirements: join(root, 'tools/python/requirements.txt'),
  spark: true,
};

/** Names and versions of Spark's further jars, and their checksums. */
const JARS = ['jars.xml', 'jars.sha256'].map((name) => join(root, 'tools/python', name));

/** Preferred first: the runtime's own Python, then those that the lock resolves for as well. */
const PYTHONS = ['python3.11', 'python3.12', 'python3.10', 'python3'];
const SUPPORTED = /^3\.(10|11|12)$/;

function stampOf({ requirements, spark }: VenvPlan): string {
  const hash = createHash('sha256');
  for (const file of [requirements, ...(spark ? JARS : [])]) hash.update(readFileSync(file));
  return hash.digest('hex');
}

/** The Python of an environment that is whole and of the present lock; null if it has yet to be made. */
export function currentVenv(plan: VenvPlan = defaults): string | null {
  const mark = join(plan.directory, 'reseal-lock');
  const python = join(plan.directory, 'bin', 'python');
  if (!existsSync(mark) || !existsSync(python)) return null;
  return readFileSync(mark, 'utf8') === stampOf(plan) ? python : null;
}

/** What a local Spark is started with. */
export interface LocalSpark {
  readonly python: string;
  /** Java and Python of the environment, whatever the PATH and JAVA_HOME say; everything on loopback. */
  readonly env: Readonly<Record<string, string>>;
  /** The BigQuery connector and Cloud Storage's file system. */
  readonly jars: readonly string[];
  /** Where an archive of the loaded classes is kept for the JVMs to come; a batch on the sandbox writes it. */
  readonly classes: string;
}

/** The Spark of the environment whose Python this is. */
export function sparkOf(python: string): LocalSpark {
  const venv = dirname(dirname(python));
  const jars = join(venv, 'jars');
  return {
    python,
    env: { JAVA_HOME: join(venv, 'java'), PYSPARK_PYTHON: python, SPARK_LOCAL_IP: '127.0.0.1' },
    jars: readdirSync(jars).map((name) => join(jars, name)),
    classes: join(venv, 'spark-classes.jsa'),
  };
}

/** The exit codes of make_venv.py that have a reason of their own. */
const REASONS: Readonly<Record<number, { code: string; message: string; hint: string }>> = {
  3: {
    code: 'python-missing',
    message: 'this Python has no working venv module',
    hint: 'apt-get install python3-venv',
  },
  5: {
    code: 'venv-failed',
    message: "Spark's jars could not be fetched",
    hint: 'they come from Maven Central once; try `npm run venv` again',
  },
};

/**
 * Makes the environment if it is missing, half-made or of another lock, and gives the path of its Python.
 * Callers at the same time wait for one creation. Throws `python-missing` with the line that installs it, and
 * `venv-failed` when pip or Spark's resolver does not get through.
 */
export async function ensureVenv(plan: VenvPlan = defaults): Promise<string> {
  const current = currentVenv(plan);
  if (current !== null) return current;
  const { directory, requirements, spark } = plan;
  // Beside the environment: the sandbox's folder is the sandbox's alone, and --fresh empties no other.
  const mutex = `${directory}.mutex`;
  const script = join(root, 'tools/python/make_venv.py');
  const args = [script, directory, requirements, stampOf(plan), mutex, ...(spark ? ['spark'] : [])];
  const { code, tail } = await run(findPython(), args);
  if (code === 0) return join(directory, 'bin', 'python');
  const reason = REASONS[code];
  if (reason !== undefined)
    throw new ResealError(reason.code, `${reason.message}\n${tail}`.trimEnd(), { hint: reason.hint });
  throw new ResealError('venv-failed', `the Python environment could not be made:\n${tail}`, {
    hint: 'it needs the Python package index once; try `npm run venv` again',
  });
}

/** A Python of a supported version, or ResealError `python-missing` with those that are there instead. */
export function findPython(): string {
  const ask = ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'];
  const wanted = process.env.RESEAL_PYTHON;
  const others = new Set<string>();
  for (const candidate of wanted ? [wanted] : PYTHONS) {
    const version = printed(candidate, ask).trim();
    if (SUPPORTED.test(version)) return candidate;
    if (/^\d\.\d+$/.test(version)) others.add(version);
  }
  const found = others.size > 0 ? `only ${[...others].join(', ')}` : 'none';
  throw new ResealError('python-missing', `Python 3.11 (or 3.10, 3.12) is needed, and there is ${found}`, {
    hint: 'apt-get install python3 python3-venv (macOS: brew install python@3.11), or set RESEAL_PYTHON to one',
  });
}

/** What a command prints; nothing if it is not there. */
function printed(command: string, args: string[]): string {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout ?? '';
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
    process.stdout.write(`${await ensureVenv()}\n`);
  } catch (error) {
    if (!(error instanceof ResealError)) throw error;
    process.stderr.write(`${error.message}\n${error.hint ? `hint: ${error.hint}\n` : ''}`);
    process.exitCode = 1;
  }
}
