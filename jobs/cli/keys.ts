import { type KeysetVersion, keysets, rotate } from '../upkeep/keyset-rotation.ts';
import { runContext } from './connect.ts';
import { openTarget } from './open-target.ts';
import { table } from './table.ts';

export interface KeysOptions {
  readonly stack?: string;
  readonly state: string;
  readonly json?: boolean;
}

/** Shows the versions of the first-level keyset, or makes the next one. */
export async function keysCommand(action: 'list' | 'rotate', options: KeysOptions): Promise<void> {
  const target = await openTarget({ ...options, mustExist: true }, (text) => process.stderr.write(text));
  try {
    const context = await runContext(target, new AbortController().signal);
    if (action === 'rotate') {
      const version = await rotate(context);
      const text = options.json
        ? JSON.stringify({ version })
        : `version ${version} of the keyset seals from the next run on; older versions stay readable`;
      process.stdout.write(`${text}\n`);
      return;
    }
    const versions = await keysets(context);
    process.stdout.write(options.json ? `${JSON.stringify(versions)}\n` : listed(versions));
  } finally {
    await target.close();
  }
}

const HEAD = ['version', 'made', 'values', 'seals', 'seals left', 'key'];

function listed(versions: readonly KeysetVersion[]): string {
  if (versions.length === 0) return 'no keyset yet: the first run makes it\n';
  const cells = versions.map(({ version, created_at, values, seals, seals_left, kms_key }) => [
    version,
    created_at.slice(0, 19).replace('T', ' '),
    values,
    seals,
    seals_left,
    kms_key,
  ]);
  return table([HEAD, ...cells]);
}
