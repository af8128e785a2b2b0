import type { Progress, Watcher } from '../run/context.ts';
import { Gauge, words } from './gauge.ts';

/** Beside the name of a step: the spinner and the spaces around it. */
const MARGIN = 4;

/** On a terminal: one line a step, with a spinner and how far it is while it runs. */
export async function terminalWatcher(): Promise<Watcher> {
  const { default: ora } = await import('ora');
  return {
    async step(name, work, summary) {
      const title = name.padEnd(7);
      const gauge = new Gauge(performance.now());
      const room = (): number => process.stdout.columns - title.length - MARGIN;
      const spinner = ora({
        text: title,
        suffixText: () => gauge.text(performance.now(), room()),
        stream: process.stdout,
        // Ctrl-C is the command's: it has a run to put in order.
        discardStdin: false,
      }).start();
      try {
        const result = await work((now) => gauge.take(now, performance.now()));
        spinner.suffixText = '';
        spinner.succeed(`${title} ${summary(result)}`);
        return result;
      } catch (error) {
        spinner.suffixText = '';
        // Why is said by whoever catches it.
        spinner.fail(title);
        throw error;
      }
    },
  };
}

const EVERY_MS = 2000;
/** What has not changed is said again so rarely: pipelines end a job that says nothing for some minutes. */
const SAME_MS = 60_000;

/** Into a pipe or a log: plain lines, progress at most every two seconds, and nothing twice within a minute. */
export function plainWatcher(write: (line: string) => void): Watcher {
  return {
    async step(name, work, summary) {
      let said = { text: '', at: Date.now() };
      const progress: Progress = (now) => {
        const text = words(now);
        const wait = text === said.text ? SAME_MS : EVERY_MS;
        if (text === '' || Date.now() < said.at + wait) return;
        said = { text, at: Date.now() };
        write(`${name.padEnd(7)} … ${text}\n`);
      };
      const result = await work(progress);
      write(`${name.padEnd(7)} ${summary(result)}\n`);
      return result;
    },
  };
}
