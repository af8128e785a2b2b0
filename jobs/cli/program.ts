import { readFileSync } from 'node:fs';
import { type Command, CommanderError } from 'commander';
import { commands, onlyLists } from './commands.ts';
import { EXIT, endSoon, exitCode, printError, printJsonError } from './exit.ts';
import { isUnread, outliveReaders, Unread } from './output.ts';
import { silenceMetadata } from './warnings.ts';

const MANIFEST = new URL('../../package.json', import.meta.url);

/** The command line: parses, acts, and turns what was thrown into words and an exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  outliveReaders();
  silenceMetadata();
  const { version } = JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string };
  const program = commands(version);
  const json = argv.includes('--json');
  let chosen: Command | undefined;
  program.hook('preAction', (_program, command) => {
    chosen = command;
  });
  // Node would print all that such an error holds.
  for (const event of ['uncaughtException', 'unhandledRejection'])
    process.once(event, (error: unknown) => {
      printError(error, json);
      process.exit(exitCode(error));
    });
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed what was wrong; help and version end here too, with exit code 0.
      process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
      const message = error.message.replace(/^error: /, '');
      if (error.exitCode !== 0 && json) printJsonError({ code: 'option', message });
      return;
    }
    if (error instanceof Unread) return;
    printError(error, json);
    process.exitCode = exitCode(error);
  } finally {
    const isLeft = (await isUnread()) && (chosen === undefined || onlyLists(chosen));
    if (isLeft && !process.exitCode) process.exitCode = EXIT.unread;
    endSoon();
  }
}
