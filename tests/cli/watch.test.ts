import { expect, it } from 'vitest';
import { terminalWatcher } from '../../jobs/cli/watch.ts';

it('leaves ctrl-C to the command, which has a batch to cancel', async () => {
  const watcher = await terminalWatcher();
  const before = process.listenerCount('SIGINT');
  const during = await watcher.step('stage', async () => process.listenerCount('SIGINT'), String);
  expect(during).toBe(before);
});
