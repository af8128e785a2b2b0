import { createInterface, type Interface } from 'node:readline/promises';

/** Where a user can be asked. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/** Questions on a terminal. A terminal that is asked hands ctrl-C to whoever asks; it is the command's. */
export function asking({ input, output }: Terminal): Interface {
  const questions = createInterface({ input, output });
  questions.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  return questions;
}
