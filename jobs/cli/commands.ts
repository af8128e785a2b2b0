import { Argument, Command, Option } from 'commander';
import { REASONS } from '../contract/reasons.ts';
import { ENGINES, KEYINGS, SOURCE_FORMATS } from '../contract/settings/choices.ts';
import { MODES } from '../contract/sql/select-values.ts';
import { aimAt } from './aim.ts';
import { collected, wholeNumber, withFormats, withPage, withTarget } from './options.ts';

/** Those whose output is all that they are for; `keys` without a further word is `keys list`. */
const LISTS = ['read', 'history', 'show', 'rejected', 'sql', 'list'];

/** Whether nothing is lost if a command ends with the reader of its output. */
export const onlyLists = (command: Command): boolean => LISTS.includes(command.name());

/**
 * The commands and their options. Actions are imported when chosen, and with them Google's clients, so that `--help`
 * answers at once.
 */
export function commands(version: string): Command {
  const program = new Command('reseal')
    .description("Moves envelope-encrypted BigQuery columns to BigQuery's own AEAD format.")
    .version(version, '--version', 'print the version')
    .configureHelp({ showGlobalOptions: true })
    .hook('preAction', (_program, action) => aimAt(action.opts()))
    .exitOverride();
  init(program.command('init'));
  trigger(program.command('trigger'));
  sample(program.command('sample'));
  read(program.command('read'));
  history(program.command('history'));
  show(program.command('show'));
  rejected(program.command('rejected'));
  sql(program.command('sql'));
  abandon(program.command('abandon'));
  doctor(program.command('doctor'));
  keys(program.command('keys'));
  shred(program.command('shred'));
  stack(program.command('stack'));
  vectors(program.command('vectors'));
  for (const command of program.commands) command.exitOverride();
  return program;
}

function init(command: Command): void {
  command
    .description('write the file of a new stack; asks for what no option says')
    .argument('<stack>', "the stack's name")
    .option('--project <id>', 'the Google Cloud project')
    .option('--location <region>', "the region; by default the table's")
    .option('--dataset <name>', 'the dataset of the table')
    .option('--table <name>', 'the table with the encrypted values; created where there is none')
    .addOption(
      new Option('--exists', 'the table is there already, though `init` cannot look at it').conflicts('new'),
    )
    .option('--new', 'the table is not there, though `init` cannot see that: the stack creates it')
    .option('--id-column <name>', 'its column that identifies a row')
    .option('--cipher-text <column>', 'its column of the cipher text')
    .option('--dek <column>', 'its column of the wrapped data key')
    .option('--field <name>', 'what the values are: names the columns that Reseal fills')
    .option(
      '--source-format <name>',
      'gcm, dotted, tink or tink-envelope; by default what the values look like',
    )
    .option('--keying <name>', 'row, shared or deterministic; by default a key a row')
    .option('--source-kek <key>', 'the CryptoKey that wraps the data keys: projects/…')
    .option('--force', 'overwrite the file of a stack that has one')
    .option('--json', 'print one JSON object on stdout, nothing else')
    .action(async (stack, options) => (await import('./init.ts')).initCommand(stack, options));
}

function trigger(command: Command): void {
  withPage(withTarget(command), 'the report')
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
    .option(
      '--limit <rows>',
      'take only so many rows by id, behind those of the last run with a limit',
      wholeNumber,
    )
    .option(
      '--wave <deks>',
      'go in waves of about so many data keys, each merged before the next',
      wholeNumber,
    )
    .option('--plan', 'say what a run would do, and stop')
    .option('--yes', 'do not ask, whatever the run is expected to cost (reseal:confirmAboveUsd)')
    .option('--resume <run>', 'go on with a run that broke off')
    .option('--take-over', 'with --resume or --run-id: even if somebody still drives the run')
    .option('--detach', 'with --via workflow: start the run and leave it to the cloud')
    .option('--accept-rejected', 'merge even if more values are rejected than maxRejectedShare allows')
    .option('--run-id <id>', "the run's id, for callers that retry: a known one is resumed")
    .option('--json', 'print one JSON object on stdout, nothing else')
    .option('--fresh', 'sandbox: start over with an empty one')
    .option('--users <file>', 'sandbox: load these users (NDJSON, CSV or Parquet with id, cipher_text, dek)')
    .option('--kek <file>', "sandbox: import the application's KEK")
    .addOption(
      new Option(
        '--source-format <name>',
        'sandbox: how the users are encrypted; kept for later commands',
      ).choices([...SOURCE_FORMATS]),
    )
    .addOption(
      new Option(
        '--keying <name>',
        'sandbox: a key a row, one for all, or equal values equal; kept for later commands',
      ).choices([...KEYINGS]),
    )
    .option(
      '--setting <key=value>',
      'sandbox: any setting of docs/settings.md, kept for later commands; key= takes it back; may be repeated',
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
}

function sample(command: Command): void {
  withTarget(command)
    .description('write made-up users into an empty source table, their data keys wrapped by its own KEK')
    .option('--rows <rows>', 'so many users', wholeNumber, 1000)
    .option('--append', 'also into a table that has rows, under ids that none of them has')
    .option('--json', 'print one JSON object on stdout, nothing else')
    .action(async (options) => (await import('./sample.ts')).sample(options));
}

function read(command: Command): void {
  withTarget(command)
    .description('read users back through the AEAD functions, as an analyst would: decrypts to stdout')
    .option('--limit <rows>', 'at most so many rows, by id', wholeNumber)
    .addOption(
      new Option('--format <name>', 'how to print them').choices(['ndjson', 'csv']).default('ndjson'),
    )
    .addOption(new Option('--json', 'as NDJSON, an object a line, which is the default').conflicts('format'))
    .action(async (options) => (await import('./read.ts')).read(options));
}

function history(command: Command): void {
  withPage(withTarget(command), 'the list')
    .description('list the runs, newest first')
    .option('--limit <runs>', 'at most so many', wholeNumber, 20)
    .option('--json', 'as a JSON array')
    .action(async (options) => (await import('./history.ts')).history(options));
}

function show(command: Command): void {
  withPage(withTarget(command), 'the report')
    .description('print the report of a run, the newest without an id')
    .argument('[run]', 'its id, as `history` lists it')
    .option('--json', 'as one JSON object')
    .action(async (run, options) => (await import('./show.ts')).show(run, options));
}

function rejected(command: Command): void {
  withFormats(withTarget(command))
    .description('list the values that cannot be sealed: ids and reasons, and what to do about them')
    .argument('[run]', 'those of one run; without an id, all that are rejected as they stand now')
    .addOption(new Option('--reason <name>', 'only those of one reason').choices([...REASONS]))
    .action(async (run, options) => (await import('./rejected.ts')).rejected(run, options));
}

function sql(command: Command): void {
  withFormats(withTarget(command))
    .description("run GoogleSQL in the sandbox, AEAD functions included, as the job's user")
    .argument('[statement]', 'a statement or script; without it, a prompt, or what stdin holds')
    .action(async (statement, options) => (await import('./sql.ts')).sql(statement, options));
}

function abandon(command: Command): void {
  withTarget(command)
    .description('end a run that nobody will resume: cancel what it has at work, remove what it staged')
    .argument('<run>', "the run's id")
    .option('--take-over', 'even if somebody still drives it')
    .option('--json', 'print one JSON object on stdout, nothing else')
    .action(async (run, options) => (await import('./abandon.ts')).abandon(run, options));
}

function doctor(command: Command): void {
  withTarget(command)
    .description('check everything that a run needs, and say what to change')
    .option('--json', 'as a JSON array')
    .action(async (options) => (await import('./doctor.ts')).doctorCommand(options));
}

function keys(command: Command): void {
  command.description('the versions of the first-level keyset: show them, or add one');
  const action = (name: string, isDefault = false): Command =>
    withTarget(command.command(name, { isDefault }).exitOverride()).option('--json', 'as JSON');
  action('list', true)
    .description('show the versions, and what each has sealed')
    .action(async (options) => (await import('./keys.ts')).list(options));
  action('rotate')
    .description('make the next version, with a new key beside those that there were')
    .action(async (options) => (await import('./keys.ts')).rotateKeys(options));
  action('adopt')
    .description('take a wrapped keyset that was made elsewhere as the next version')
    .requiredOption('--from <file>', 'the wrapped keyset in base64')
    .option('--kms-key <name>', 'the CryptoKey that wraps it; without it, that of the newest version')
    .action(async (options) => (await import('./keys.ts')).adoptKeys(options));
  action('rewrap')
    .description('make the next version of the same keys, wrapped by another CryptoKey')
    .requiredOption('--to <name>', 'the CryptoKey, in full, in the region of the dataset')
    .action(async (options) => (await import('./keys.ts')).rewrapKeys(options));
}

function shred(command: Command): void {
  withTarget(command)
    .description('make the values of some rows unreadable, for good')
    .argument('[ids...]', 'ids of the source table')
    .option('--from <file>', 'a file of ids, one a line')
    .option('--field <name>', 'only this field of the rows; without it, every field')
    .option('--source', 'clear the source columns, too: they still hold the values')
    .option('--yes', 'do not ask')
    .option('--json', 'as a JSON object')
    .action(async (ids, options) => (await import('./shred.ts')).shredCommand(ids, options));
}

function stack(command: Command): void {
  command
    .description('deploy, preview or remove a stack for a branch, with the settings of dev')
    .addArgument(new Argument('<action>').choices(['up', 'preview', 'down']))
    .argument('<name>', "the stack's name: lower-case letters, digits and dashes")
    .action(async (action, name) => (await import('./stack.ts')).stack(action, name));
}

function vectors(command: Command): void {
  command
    .description('run a file of test vectors through the envelope code')
    .argument('<file>', 'JSON, in the format that docs/vectors.md describes')
    .action(async (file) => (await import('./vectors.ts')).vectors(file));
}
