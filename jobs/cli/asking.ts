import { createInterface } from 'node:readline/promises';

/** Where a user can be asked. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/** Questions on a terminal. */
export interface Questions {
  /** What is typed; null where the input has ended, by ctrl-D or with the terminal. Throws AbortError by the signal. */
  question(text: string, signal?: AbortSignal): Promise<string | null>;
  close(): void;
}

/** Opens a terminal for questions. One that is asked hands ctrl-C to whoever asks; it is the command's. */
export function asking({ input, output }: Terminal): Questions {
  const lines = createInterface({ input, output });
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  // An answer that comes with the end counts.
  const ended = new Promise<null>((resolve) => lines.once('close', () => setImmediate(resolve, null)));
  return {
    async question(text, signal) {
      const typed = lines.question(text, signal === undefined ? {} : { signal }).catch((error: unknown) => {
        // Node has ctrl-D, and a question after it, as errors.
        if (signal?.aborted) throw error;
        return null;
      });
      const answer = await Promise.race([typed, ended]);
      if (answer === null) output.write('\n');
      return answer;
    },
    close: () => lines.close(),
  };
}
