import { readFile } from 'node:fs/promises';
import { ResealError } from '../contract/errors.ts';
import { checkShredding, type Shredded, type Shredding, shred } from '../upkeep/shredding.ts';
import { confirm } from './confirm.ts';
import { runContext } from './connect.ts';
import { openTarget } from './open-target.ts';

export interface ShredOptions {
  readonly stack?: string;
  readonly state: string;
  readonly from?: string;
  readonly field?: string;
  readonly source?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Shreds the values of some rows, after a confirmation. */
export async function shredCommand(given: readonly string[], options: ShredOptions): Promise<void> {
  const ids = await idsOf(given, options.from);
  const target = await openTarget({ ...options, mustExist: true }, (text) => process.stderr.write(text));
  try {
    const context = await runContext(target, new AbortController().signal);
    const shredding: Shredding = {
      ids,
      field: options.field ?? null,
      clearSource: options.source ?? false,
    };
    await checkShredding(context, shredding);
    const { dataset, tables, sourceKek } = context.deployment;
    const what = options.field === undefined ? 'every value' : `the ${options.field}`;
    await confirm(
      `This shreds ${what} of ${ids.length} rows of ${dataset}.${tables.source} for good${options.source ? ', source columns included' : ''}.`,
      String(ids.length),
      options.yes ?? false,
    );
    const shredded = await shred(context, shredding);
    const text = options.json ? JSON.stringify(shredded) : shreddedLines(shredded, sourceKek).join('\n');
    process.stdout.write(`${text}\n`);
  } finally {
    await target.close();
  }
}

/** The ids of the command line and of a file, one a line; none twice. Throws ResealError `shred-ids`. */
async function idsOf(given: readonly string[], from: string | undefined): Promise<string[]> {
  const lines = from === undefined ? [] : (await listed(from)).split(/\r?\n/);
  const ids = [...new Set([...given, ...lines].map((id) => id.trim()).filter((id) => id !== ''))];
  const wrong = ids.find((id) => !/^(0|-?[1-9][0-9]{0,18})$/.test(id));
  if (wrong !== undefined)
    throw new ResealError('shred-ids', `${JSON.stringify(wrong.slice(0, 40))} is no id`, {
      hint: 'ids are whole numbers as the source table has them; a file has one a line',
    });
  if (ids.length === 0)
    throw new ResealError('shred-ids', 'there is no id to shred', {
      hint: 'name ids, or a file of them with --from',
    });
  return ids;
}

async function listed(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ResealError('shred-ids', `the file ${path} cannot be read`, {
      hint: 'name a file with one id a line',
      cause: error,
    });
  }
}

function shreddedLines({ ids, values, staged, source }: Shredded, sourceKek: string): string[] {
  return [
    `shredded ${ids} rows; none of their ${values} values opens any more`,
    source === 'cleared'
      ? 'the source columns are cleared, too'
      : `the source columns still hold the values: whoever may use ${sourceKek} can open them; --source clears them`,
    ...(staged === 0
      ? []
      : [`${staged} sealed values are still staged: they go with their run, after a week at the latest`]),
    "BigQuery's time travel holds the rows as they were for seven days (docs/runbook.md)",
  ];
}
