import { ledgerJson } from '../contract/ledger.ts';
import type { Discarded } from '../engines/engine.ts';
import { type Abandoned, abandon as abandonRun } from '../run/abandonment.ts';
import { runContext } from './connect.ts';
import { onTarget } from './on-target.ts';

export interface AbandonOptions {
  readonly stack?: string;
  readonly state: string;
  readonly takeOver?: boolean;
  readonly json?: boolean;
}

/** Ends a run that nobody will resume, and says what was done. */
export async function abandon(runId: string, options: AbandonOptions): Promise<void> {
  await onTarget(options, async (target, interrupt) => {
    const context = await runContext(target, interrupt.signal);
    interrupt.begun({
      message: `run ${runId} was left as it stands; its end was not waited for`,
      hint: `what it has at work may be cancelled, and what it staged removed; \`npm run reseal -- abandon ${runId}\` again`,
    });
    const abandoned = await abandonRun(context, runId, options.takeOver ?? false, (message) =>
      process.stderr.write(`${message}\n`),
    );
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ ...ledgerJson(abandoned.run), discarded: abandoned.discarded })}\n`
        : `${said(abandoned, context.deployment.tempFolder)}\n`,
    );
  });
}

function said({ run: { run_id: id, state }, discarded }: Abandoned, folder: string): string {
  if (discarded === null)
    return `run ${id} ${state === 'succeeded' ? 'has succeeded' : 'was abandoned before'}: nothing to do`;
  return [`run ${id} is abandoned; its staged rows are removed`, ...details(discarded, folder)].join('\n');
}

function details({ cancelled, files }: Discarded, folder: string): string[] {
  return [
    ...cancelled.map((id) => `cancelled: ${id}`),
    ...(files === null
      ? [`files that a batch left in ${folder}/ could not be removed: their lifecycle rule will do it`]
      : []),
    ...(files ? [`removed: ${files} files that a batch left in ${folder}/`] : []),
  ];
}
