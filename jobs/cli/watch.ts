import type { Progress, Watcher } from '../run/context.ts';

/** On a terminal: one line a step, with a spinner while it runs. */
export async function terminalWatcher(): Promise<Watcher> {
  const { Listr } = await import('listr2');
  return {
    async step(name, work, summary) {
      let result: Awaited<ReturnType<typeof work>> | undefined;
      const title = name.padEnd(7);
      const task = async (_: unknown, view: { title: string; output: string }): Promise<void> => {
        result = await work((text) => {
          view.output = text;
        });
        view.title = `${title} ${summary(result)}`;
      };
      // Signals are the command's: left to itself, Listr would end the process with a code of its own.
      await new Listr([{ title, task }], { registerSignalListeners: false }).run();
      return result as Awaited<ReturnType<typeof work>>;
    },
  };
}

const EVERY_MS = 2000;

/** Into a pipe or a log: plain lines, progress at most every two seconds. */
export function plainWatcher(write: (line: string) => void): Watcher {
  return {
    async step(name, work, summary) {
      let next = Date.now() + EVERY_MS;
      const progress: Progress = (text) => {
        if (Date.now() < next) return;
        next = Date.now() + EVERY_MS;
        write(`${name.padEnd(7)} … ${text}\n`);
      };
      const result = await work(progress);
      write(`${name.padEnd(7)} ${summary(result)}\n`);
      return result;
    },
  };
}
