import { readFile } from 'node:fs/promises';
import { ResealError } from '../contract/errors.ts';
import { checkShredding, type Shredded, type Shredding, shred, shredAgain } from '../upkeep/shredding.ts';
import { confirm } from './confirm.ts';
import { runContext } from './connect.ts';
import { onTarget } from './on-target.ts';
import { shredIds } from './shred-ids.ts';

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
  const file = options.from === undefined ? '' : await listed(options.from);
  await onTarget(options, async (target, interrupt) => {
    const context = await runContext(target, interrupt.signal);
    const ids = shredIds(context.deployment.idType, given, file);
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
      interrupt.signal,
    );
    interrupt.begun({
      message: `the shredding of ${ids.length} rows was left as it stands; its end was not waited for`,
      hint: `any of them may be shredded by now; ${shredAgain(context.deployment)}`,
    });
    const shredded = await shred(context, shredding);
    const text = options.json ? JSON.stringify(shredded) : shreddedLines(shredded, sourceKek).join('\n');
    process.stdout.write(`${text}\n`);
  });
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

function shreddedLines({ ids, values, staged, source, sources }: Shredded, sourceKek: string): string[] {
  return [
    `rows shredded: ${ids}, values: ${values}; none opens any more`,
    source === 'cleared'
      ? 'the source columns are cleared, too'
      : sources === 0
        ? 'the source columns hold none of them either'
        : `the source columns still hold ${sources} of the values: whoever may use ${sourceKek} can open them; --source clears them`,
    ...(staged === 0
      ? []
      : [`${staged} sealed values are still staged: they go with their run, after a week at the latest`]),
    "BigQuery's time travel holds the rows as they were for seven days (docs/runbook.md)",
  ];
}
