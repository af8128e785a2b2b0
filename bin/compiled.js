/**
 * The TypeScript as Node runs it: bundled once by esbuild and kept under node_modules/.cache, in a folder that a hash
 * of all sources names. A change of any source makes another, so nobody builds by hand, and nothing is ever stale.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = join(ROOT, 'node_modules', '.cache', 'reseal');
/** Everything that these import is among the sources below, or a package. */
const SOURCES = ['index.ts', 'infra', 'jobs', 'sandbox'];
/** What runs as a process or a thread of its own. */
const ENTRIES = /** @type {const} */ ([
  'jobs/cli/main.ts',
  'jobs/cloud-run/deployed-job.ts',
  'jobs/engines/direct/worker.ts',
  'sandbox/deploy/program.ts',
  'sandbox/process/main.ts',
]);
/** A process that still runs what has been replaced may load a part of it later. */
const KEPT_MS = 7 * 24 * 3600 * 1000;

/** @type {Promise<string> | undefined} */
let folder;

/**
 * The URL of an entry's JavaScript, for `import`, `fork` and worker threads.
 * @param {(typeof ENTRIES)[number]} entry its source, from the root of the project
 * @returns {Promise<URL>}
 * @throws {Error} if the sources cannot be compiled
 */
export async function compiled(entry) {
  folder ??= compileOnce();
  return pathToFileURL(join(await folder, entry.replace(/\.ts$/, '.js')));
}

async function compileOnce() {
  const { hash, asking } = read();
  const made = join(CACHE, hash);
  if (existsSync(made)) return made;
  const under = join(CACHE, `${hash}.${process.pid}`);
  try {
    mkdirSync(under, { recursive: true });
  } catch {
    return compileForThisProcess(asking);
  }
  await compile(under, asking);
  try {
    renameSync(under, made);
  } catch (error) {
    // Another process was faster, with the same result.
    rmSync(under, { recursive: true, force: true });
    if (!existsSync(made)) throw error;
  }
  removeOld(hash);
  return made;
}

/**
 * Where another user has installed the packages, as in many containers. A folder that is kept would have a name that
 * others can foresee, and could put their own code into.
 * @param {readonly string[]} asking
 */
async function compileForThisProcess(asking) {
  const made = mkdtempSync(join(tmpdir(), 'reseal-'));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  symlinkSync(join(ROOT, 'node_modules'), join(made, 'node_modules'), 'dir');
  await compile(made, asking);
  return made;
}

/** @param {string} hash what stays, whatever its age */
function removeOld(hash) {
  for (const name of readdirSync(CACHE)) {
    const path = join(CACHE, name);
    const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (name !== hash && Date.now() - made > KEPT_MS) rmSync(path, { recursive: true, force: true });
  }
}

/** The hash of all that decides the result, and the sources that ask where they are. */
function read() {
  const hash = createHash('sha256').update(ROOT);
  const asking = [];
  for (const path of ['bin/compiled.js', 'node_modules/esbuild/package.json', 'tsconfig.json'])
    hash.update(readFileSync(join(ROOT, path)));
  for (const path of SOURCES.flatMap(filesOf)) {
    const text = readFileSync(join(ROOT, path));
    hash.update(`\n${path}\n`).update(text);
    if (text.includes('import.meta.url')) asking.push(path);
  }
  return { hash: hash.digest('hex').slice(0, 32), asking };
}

/** @param {string} source */
function filesOf(source) {
  if (source.endsWith('.ts')) return [source];
  const names = readdirSync(join(ROOT, source), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => join(source, name));
}

/**
 * Packages stay where they are; a source that asks for its own URL gets that of the TypeScript, beside its files.
 * @param {string} outdir
 * @param {readonly string[]} asking
 */
async function compile(outdir, asking) {
  const { build } = await import('esbuild');
  const names = asking.map((path) => path.replaceAll(/[.\\]/g, '\\$&'));
  await build({
    absWorkingDir: ROOT,
    entryPoints: [...ENTRIES],
    outdir,
    outbase: ROOT,
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'error',
    plugins: [
      {
        name: 'reseal',
        setup(plugin) {
          plugin.onResolve({ filter: /\/bin\/compiled\.js$/ }, () => ({
            path: import.meta.url,
            external: true,
          }));
          plugin.onLoad({ filter: new RegExp(`[/\\\\](${names.join('|')})$`) }, ({ path }) => ({
            loader: 'ts',
            contents: readFileSync(path, 'utf8').replaceAll(
              'import.meta.url',
              JSON.stringify(pathToFileURL(path).href),
            ),
          }));
        },
      },
    ],
  });
}
