import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { ERROR_CODES, type ErrorCode, EXIT } from '../jobs/contract/error-codes.ts';

/** Where the page lives; `npm run docs:errors` writes it, a test compares it with this program's. */
export const ERRORS_PAGE = 'docs/errors.md';

const HEAD = `# Errors and exit codes

Every failure is printed on stderr as \`error (CODE): what was wrong\`, with a \`hint:\` that says what to change and, where there is one, its \`cause:\`. With \`--json\`, stdout gets \`{"error":{"code","message","hint","cause","run_id"}}\`, for wrong options too; \`hint\`, \`cause\` and \`run_id\` are there where there is one: \`run_id\` is that of the run that broke off, unless nothing was begun, and the hint has the command that goes on with it. Codes are stable. [runbook.md](runbook.md) has of each the cause, what is true of the source table, and the remedy.

This page is generated from \`jobs/contract/error-codes.ts\` by \`npm run docs:errors\`.

| exit code | meaning |
|---|---|
| ${EXIT.ok} | done; rejected values do not make a run fail, they are in the report and in \`users_rejected\` |
| ${EXIT.failed} | the run failed; the source table is as it was, or merged whole |
| ${EXIT.usage} | the call, an option, a file or the stack was not usable; nothing was begun |
| ${EXIT.rejected} | the run would reject more values than \`reseal:maxRejectedShare\` allows and stopped before its merge; \`--accept-rejected\` goes on |
| ${EXIT.hangup} | ended by SIGHUP: the terminal was closed |
| ${EXIT.cancelled} | ended by ctrl-C or SIGTERM |
| ${EXIT.unread} | whoever read the output went before its end, as \`head\` does, and the command was one that only lists: \`read\`, \`history\`, \`show\`, \`rejected\`, \`sql\`, \`keys list\` or \`--help\`. It is the code of a program that SIGPIPE ends. Every other command goes on without its output, and ends with its own code |

## Interrupts

Ctrl-C, SIGTERM or SIGHUP once: the batch, the execution or the BigQuery job is cancelled, \`cancelled\` goes into the ledger, and the process ends within five seconds; what did not come through by then it says. Twice: it ends at once, but for SIGHUP, which a closed terminal sends more than once. \`nohup\` does not keep SIGHUP from it, since Node takes every signal anew: start a run that is to outlive its terminal with \`setsid\`. Either way the source table is untouched or merged whole, and \`--resume RUN\` goes on. \`--detach --via workflow\` starts the run and leaves it to the cloud.

\`shred\`, \`keys\` and \`sample\` end in the same way: the statement or load job at hand is cancelled, and the error says what has been done, what may have been, and how to go on. \`stack up\`, \`preview\` and \`down\` wait for Pulumi to end what it has begun, however long that takes; a second ctrl-C has Pulumi stop at once, and may leave a stack locked. Commands that only look just end.

## Codes
`;

/** A cell of a table: no bar and no line break. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The whole page. */
export function errorsPage(): string {
  const rows = Object.entries<ErrorCode>(ERROR_CODES).map(
    ([code, { when, remedy, exit }]) => `| \`${code}\` | ${cell(when)} | ${cell(remedy)} | ${EXIT[exit]} |`,
  );
  return `${HEAD}\n| code | when | what to do | exit code |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) writeFileSync(ERRORS_PAGE, errorsPage());
