import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { ENGINES, KEYINGS, SOURCE_FORMATS } from '../contract/settings/run-settings.ts';
import { MODES } from '../contract/sql/select-values.ts';
import { EXIT, endSoon, exitCode, printError, printJsonError } from './exit.ts';

/**
 * The command line. Actions are imported when chosen, and with them Google's clients, so that `--help`
 * answers at once.
 */
export async function main(argv: readonly string[]): Promise<void> {
  const program = commands();
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed what was wrong; help and version end here too, with exit code 0.
      process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
      const message = error.message.replace(/^error: /, '');
      if (error.exitCode !== 0 && argv.includes('--json')) printJsonError({ code: 'option', message });
      return;
    }
    printError(error, argv.includes('--json'));
    process.exitCode = exitCode(error);
  } finally {
    endSoon();
  }
}

function wholeNumber(text: string): number {
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw new InvalidArgumentError('a whole number from 1 is needed.');
  return Number(text);
}

function collected(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const [, key, value] = /^([A-Za-z]\w*)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) throw new InvalidArgumentError('key=value is needed.');
  return { ...before, [key]: value };
}

/** Where a command works: a stack, or the sandbox in this folder. */
function target(command: Command): Command {
  return command
    .option('--stack <name>', 'work on this Pulumi stack; without it, on the sandbox in --state')
    .option('--state <folder>', "the sandbox's folder", '.reseal');
}

function commands(): Command {
  const program = new Command('reseal')
    .description("Moves envelope-encrypted BigQuery columns to BigQuery's own AEAD format.")
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();

  target(program.command('trigger'))
    .description('re-encrypt what is pending and merge it')
    .addOption(
      new Option('--engine <name>', 'where rows are re-encrypted')
        .choices(['auto', ...ENGINES])
        .default('auto'),
    )
    .addOption(
      new Option('--via <driver>', "who carries it out: this process, or the stack's deployed workflow")
        .choices(['job', 'workflow'])
        .default('job'),
    )
    .addOption(new Option('--mode <name>', 'which rows to take').choices([...MODES]).default('pending'))
    .option('--limit <rows>', 'take only the first so many rows by id', wholeNumber)
    .option('--plan', 'say what a run would do, and stop')
    .option('--resume <run>', 'go on with a run that broke off')
    .option('--detach', 'with --via workflow: start the run and leave it to the cloud')
    .option('--accept-rejected', 'merge even if more values are rejected than maxRejectedShare allows')
    .option('--run-id <id>', "the run's id, for callers that retry: a known one is resumed")
    .option('--json', 'print one JSON object on stdout, nothing else')
    .option('--html <file>', 'also write the report as a page')
    .option('--fresh', 'sandbox: start over with an empty one')
    .option('--users <file>', 'sandbox: load these users (NDJSON, CSV or Parquet with id, cipher_text, dek)')
    .option('--kek <file>', "sandbox: import the application's KEK")
    .addOption(
      new Option('--source-format <name>', 'sandbox: how the users are encrypted').choices([
        ...SOURCE_FORMATS,
      ]),
    )
    .addOption(new Option('--keying <name>', 'sandbox: a key a row, or one for all').choices([...KEYINGS]))
    .option(
      '--setting <key=value>',
      'sandbox: any setting of docs/settings.md; may be repeated',
      collected,
      {},
    )
    .option('--faults <file>', 'sandbox: have things go wrong by these rules (docs/sandbox.md)')
    .action(async (options, command: Command) => {
      const given = command.options
        .map((option) => option.attributeName())
        .filter((name) => command.getOptionValueSource(name) === 'cli');
      await (await import('./trigger.ts')).trigger(options, given);
    });

  target(program.command('sample'))
    .description('write made-up users into an empty source table, their data keys wrapped by its own KEK')
    .option('--rows <rows>', 'so many users', wholeNumber, 1000)
    .option('--append', 'also into a table that has rows, behind its highest id')
    .option('--json', 'print one JSON object on stdout, nothing else')
    .action(async (options) => (await import('./sample.ts')).sample(options));

  target(program.command('read'))
    .description('read users back through the AEAD functions, as an analyst would: decrypts to stdout')
    .option('--limit <rows>', 'at most so many rows, by id', wholeNumber)
    .addOption(
      new Option('--format <name>', 'how to print them').choices(['ndjson', 'csv']).default('ndjson'),
    )
    .action(async (options) => (await import('./read.ts')).read(options));

  target(program.command('history'))
    .description('list the runs, newest first')
    .option('--limit <runs>', 'at most so many', wholeNumber, 20)
    .option('--json', 'as a JSON array')
    .action(async (options) => (await import('./history.ts')).history(options));

  target(program.command('doctor'))
    .description('check everything that a run needs, and say what to change')
    .option('--json', 'as a JSON array')
    .action(async (options) => (await import('./doctor.ts')).doctorCommand(options));

  target(program.command('keys'))
    .description('show the versions of the first-level keyset, or make the next one')
    .addArgument(new Argument('[action]').choices(['list', 'rotate']).default('list'))
    .option('--json', 'as JSON')
    .action(async (action, options) => (await import('./keys.ts')).keysCommand(action, options));

  target(program.command('shred'))
    .description('make the values of some rows unreadable, for good')
    .argument('[ids...]', 'ids of the source table')
    .option('--from <file>', 'a file of ids, one a line')
    .option('--field <name>', 'only this field of the rows; without it, every field')
    .option('--source', 'clear the source columns, too: they still hold the values')
    .option('--yes', 'do not ask')
    .option('--json', 'as a JSON object')
    .action(async (ids, options) => (await import('./shred.ts')).shredCommand(ids, options));

  program
    .command('stack')
    .description('deploy, preview or remove a stack for a branch, with the settings of dev')
    .addArgument(new Argument('<action>').choices(['up', 'preview', 'down']))
    .argument('<name>', "the stack's name: lower-case letters, digits and dashes")
    .action(async (action, name) => (await import('./stack.ts')).stack(action, name));

  program
    .command('vectors')
    .description('run a file of test vectors through the envelope code')
    .argument('<file>', 'JSON, in the format that docs/vectors.md describes')
    .action(async (file) => (await import('./vectors.ts')).vectors(file));

  for (const command of program.commands) command.exitOverride();
  return program;
}
