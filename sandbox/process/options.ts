import { Command, InvalidArgumentError, Option } from 'commander';
import { ResealError } from '../../jobs/contract/errors.ts';
import type { DataprocWork } from '../state/dataproc-work.ts';
import { checkFolder, DEFAULT_STATE } from '../state/folder.ts';

/** What `npm run sandbox`, and who starts its process, may say. */
export interface Options {
  readonly state: string;
  readonly port: number;
  readonly stack: string;
  readonly config: Readonly<Record<string, string>>;
  readonly dataproc: DataprocWork;
  readonly faults?: string;
}

/**
 * Reads the arguments behind the program's name.
 *
 * @throws CommanderError once Commander has printed what is wrong, or the help
 * @throws ResealError `option-config`, `option-state`
 */
export function optionsOf(argv: readonly string[]): Options {
  const options = new Command('sandbox')
    .description(
      "Serves Cloud KMS, BigQuery, Cloud Storage, Dataproc's batches and Cloud Run's jobs on 127.0.0.1, with the stack deployed into it",
    )
    .option('--state <dir>', 'folder of its keys, tables and objects', DEFAULT_STATE)
    .option('--port <n>', 'port; 0 takes a free one', port, 0)
    .option('--stack <name>', 'whose settings to deploy with', 'dev')
    .option('--config <key=value>', 'a setting on top, repeatable', setting, {})
    .addOption(
      new Option('--dataproc <work>', 'what does the work of batches')
        .choices(['spark', 'direct'])
        .default('spark'),
    )
    .option('--faults <file>', 'what is to go wrong, by rules (docs/sandbox.md)')
    .exitOverride()
    .parse(argv, { from: 'user' })
    .opts<Options>();
  checkFolder(options.state);
  return options;
}

/** https://www.rfc-editor.org/rfc/rfc6335#section-6: 16 bits */
function port(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text) || Number(text) > 65535)
    throw new InvalidArgumentError('a whole number from 0 to 65535 is needed.');
  return Number(text);
}

function setting(given: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const equals = given.indexOf('=');
  if (equals < 1)
    throw new ResealError('option-config', `--config takes key=value, not ${given}`, {
      hint: 'for example --config keying=shared',
    });
  return { ...before, [given.slice(0, equals)]: given.slice(equals + 1) };
}
