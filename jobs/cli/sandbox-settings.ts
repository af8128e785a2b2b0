import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ResealError } from '../contract/errors.ts';

const keptSettings = z.record(z.string(), z.string());

/**
 * The settings that are kept beside a sandbox; none where there is no such file.
 *
 * @throws ResealError `sandbox-kept` for a file that this program has not written
 */
export async function readKeptSettings(file: string): Promise<Record<string, string>> {
  try {
    return keptSettings.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    const fault = error instanceof z.ZodError ? 'is no object of texts' : 'cannot be read as JSON';
    throw new ResealError('sandbox-kept', `${file}, which keeps the sandbox's settings, ${fault}`, {
      hint: 'write {} into it, then the sandbox has the settings of the stack dev; or start over with `npm run trigger -- --fresh`',
      // What the parser found wrong may quote the file, and nobody knows what is in it.
      ...(error instanceof z.ZodError || error instanceof SyntaxError ? {} : { cause: error }),
    });
  }
}

/**
 * The settings of a sandbox: the kept ones, and on top those of this command. An empty value takes one back: the
 * setting is the stack's own then. `before` are the kept ones that this command does not name.
 *
 * @example
 * settledSettings({ keying: 'shared', verifyRows: '5' }, { verifyRows: '' }); // { config: { keying: 'shared' }, before: ['keying=shared'] }
 */
export function settledSettings(
  kept: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>>,
): { readonly config: Record<string, string>; readonly before: readonly string[] } {
  const config = Object.fromEntries(
    Object.entries({ ...kept, ...given }).filter(([, value]) => value !== ''),
  );
  const before = Object.entries(config).filter(([name]) => !(name in given));
  return { config, before: before.map(([name, value]) => `${name}=${value}`) };
}
