import { readFile } from 'node:fs/promises';
import { ResealError } from '../contract/errors.ts';
import type { RunContext } from '../run/context.ts';
import { newestKeysets } from '../run/keyset.ts';
import { LOOK_AT_KEYS } from '../upkeep/keyset-addition.ts';
import { adopt } from '../upkeep/keyset-adoption.ts';
import { rewrap } from '../upkeep/keyset-rewrapping.ts';
import { rotate } from '../upkeep/keyset-rotation.ts';
import { type KeysetVersion, keysets } from '../upkeep/known-keysets.ts';
import { aimed } from './aim.ts';
import { runContext } from './connect.ts';
import type { Told } from './interrupt.ts';
import { listing } from './listing.ts';
import { onTarget } from './on-target.ts';

interface KeysOptions {
  readonly stack?: string;
  readonly state: string;
  readonly json?: boolean;
}

/** Shows the versions of the first-level keyset. */
export async function list(options: KeysOptions): Promise<void> {
  await onTarget(options, async (target, { signal }) => {
    const versions = await keysets(await runContext(target, signal));
    process.stdout.write(options.json ? `${JSON.stringify(versions)}\n` : listed(versions));
  });
}

/** Makes the next version. */
export async function rotateKeys(options: KeysOptions): Promise<void> {
  await adding(options, async (context) =>
    said(options, [await rotate(context)], context.deployment.keying === 'deterministic' ? APART : undefined),
  );
}

/** Takes a wrapped keyset as the next version. Its bytes come from a file: arguments are seen by other processes. */
export async function adoptKeys(options: KeysOptions & { from: string; kmsKey?: string }): Promise<void> {
  const wrapped = await wrappedIn(options.from);
  await adding(options, async (context) => {
    const known = (await newestKeysets(context)).at(-1)?.kmsKey ?? context.deployment.bigqueryKek;
    said(options, [await adopt(context, { wrapped, kmsKey: options.kmsKey ?? known })]);
  });
}

/** Adds the newest version of each type under another KMS key. */
export async function rewrapKeys(options: KeysOptions & { to: string }): Promise<void> {
  await adding(options, async (context) => {
    const versions = await rewrap(context, options.to);
    const next = `then set reseal:bigqueryKek to ${options.to} and run \`pulumi up\` (docs/runbook.md)`;
    said(options, versions, context.deployment.bigqueryKek === options.to ? undefined : next);
  });
}

/** What to say where nobody waited for the end. */
const LEFT: Told = {
  message: 'a version of the keyset was being added; its end was not waited for',
  hint: LOOK_AT_KEYS,
};

/** For a command that adds a version. */
const adding = (options: KeysOptions, work: (context: RunContext) => Promise<void>): Promise<void> =>
  onTarget(options, async (target, interrupt) => {
    const context = await runContext(target, interrupt.signal);
    interrupt.begun(LEFT);
    await work(context);
  });

/** In deterministic keying. */
const APART =
  'what older versions sealed does not join with what it seals: `npm run trigger -- --mode stale` re-encrypts it';

function said({ json }: KeysOptions, versions: readonly number[], next?: string): void {
  const what =
    versions.length > 1
      ? `versions ${versions.join(' and ')} of the keyset are used from now on`
      : `version ${versions[0]} of the keyset seals from the next run on`;
  const text = `${what}; older versions stay readable\n${next === undefined ? '' : `${next}\n`}`;
  process.stdout.write(json ? `${JSON.stringify({ version: versions.at(-1), versions })}\n` : aimed(text));
}

/** Base64 in lines, as `base64` writes it. Throws ResealError `keyset-file`. */
async function wrappedIn(path: string): Promise<Buffer> {
  const hint = 'name a file with the wrapped keyset in base64 and nothing else';
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).replaceAll(/\s+/g, '');
  } catch (error) {
    throw new ResealError('keyset-file', `the file ${path} cannot be read`, { hint, cause: error });
  }
  const wrapped = Buffer.from(text, 'base64');
  if (text === '' || wrapped.toString('base64') !== text)
    throw new ResealError('keyset-file', `the file ${path} holds no base64`, { hint });
  return wrapped;
}

const HEAD = ['version', 'made', 'values', 'seals', 'seals left', 'algorithm', 'key'];

function listed(versions: readonly KeysetVersion[]): string {
  if (versions.length === 0) return 'no keyset yet: the first run makes it\n';
  const cells = versions.map(({ version, created_at, values, seals, seals_left, algorithm, kms_key }) => [
    version,
    created_at.slice(0, 19).replace('T', ' '),
    values ?? '',
    seals,
    seals_left,
    algorithm,
    kms_key,
  ]);
  return listing(HEAD, cells);
}
