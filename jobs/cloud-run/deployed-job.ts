/** The process that Cloud Run starts for an execution: it carries out the one run that the workflow hands over. */
import { endSoon, exitCode, printError } from '../cli/exit.ts';
import { onInterrupt } from '../cli/interrupt.ts';
import { plainWatcher } from '../cli/watch.ts';
import { handedOver } from '../run/handed-over.ts';
import { deployedContext } from './deployed-context.ts';
import { parseHandOver } from './hand-over.ts';

// Cloud Run ends a cancelled execution by SIGTERM, and ten seconds later by SIGKILL.
// https://cloud.google.com/run/docs/container-contract#jobs-shutdown
const interrupt = onInterrupt(false);
try {
  const { run, from, acceptRejected } = parseHandOver(process.argv.slice(2));
  interrupt.begun({ message: `run ${run} was left as it stands; its end was not waited for` });
  const context = await deployedContext(process.env, from, interrupt.signal);
  const watcher = plainWatcher((line) => process.stdout.write(line));
  await handedOver(context, run, from, watcher, { rejected: acceptRejected === 'yes' });
} catch (error) {
  const ended = interrupt.ended(error);
  printError(ended, false);
  process.exitCode = exitCode(ended);
} finally {
  interrupt.done();
  endSoon();
}
