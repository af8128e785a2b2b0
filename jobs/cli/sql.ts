import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';
import { ResealError } from '../contract/errors.ts';
import type { Statement } from '../contract/sql/index.ts';
import type { ReadContext } from '../run/context.ts';
import { aimed } from './aim.ts';
import { Unread } from './output.ts';
import { type FormatOptions, formatOf, printRows, type RowFormat } from './print-rows.ts';
import { type ReadingOptions, reading } from './reading.ts';

export interface SqlOptions extends ReadingOptions, FormatOptions {}

/**
 * Runs GoogleSQL in the sandbox: one statement or script, what stdin holds, or one after the other at a prompt.
 * Tables may be named without their dataset. Throws ResealError, `option-local` against a stack.
 */
export async function sql(given: string | undefined, options: SqlOptions): Promise<void> {
  if (options.stack !== undefined)
    throw new ResealError('option-local', `sql is for the sandbox, and --stack ${options.stack} is none`, {
      hint: "leave --stack out; on a stack take `bq query --use_legacy_sql=false` or BigQuery's console",
    });
  const format = formatOf(options);
  await reading(options, async (context) => {
    if (given !== undefined) return issue(context, given, format);
    if (!process.stdin.isTTY) return issue(context, await text(process.stdin), format);
    await prompt(context, format);
  });
}

async function issue(context: ReadContext, script: string, format: RowFormat): Promise<void> {
  const statement: Statement<never> = {
    name: 'sql',
    sql: script,
    params: {},
    dataset: context.deployment.dataset,
  };
  const count = await printRows(context.bigquery.jsonPages(statement, {}), format);
  if (format === 'table') process.stdout.write(count === 0 ? 'done; no rows\n' : '');
}

/** Statements end with a semicolon at the end of a line, so that one may go over several. */
async function prompt(context: ReadContext, format: RowFormat): Promise<void> {
  const { dataset, tables } = context.deployment;
  const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: 'sql> ' });
  process.stdout.write(`tables of ${dataset}: ${Object.values(tables).join(', ')}; ctrl-D ends\n`);
  lines.prompt();
  let script = '';
  for await (const line of lines) {
    script += `${line}\n`;
    if (!/;\s*$/.test(script) && script.trim() !== '') continue;
    if (script.trim() !== '')
      await issue(context, script, format).catch((error: unknown) => {
        if (error instanceof Unread) throw error;
        process.stdout.write(`${error instanceof Error ? error.message : error}\n`);
        if (error instanceof ResealError && error.hint !== undefined)
          process.stdout.write(`hint: ${aimed(error.hint)}\n`);
      });
    script = '';
    lines.prompt();
  }
}
