import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { unfinishedToResume } from '../../jobs/cli/unfinished.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import { abandon } from '../../jobs/run/abandonment.ts';
import type { RunOptions } from '../../jobs/run/context.ts';
import { newOwner, released } from '../../jobs/run/owner.ts';
import { Application } from '../support/application.ts';
import { beforeStep, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** What `trigger` says of an earlier run that nobody finished. */
const application = new Application('gcm');
const key = application.newKey();

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox();
  await box.load(application, [{ id: '1', cipher_text: key.encrypt('1@example.com'), dek: key.dek }]);
});
afterAll(() => box?.close());

async function brokenOff(options: Partial<RunOptions> = {}): Promise<string> {
  const runId = newRunId();
  const crash = beforeStep('merge', () => Promise.reject(new Error('power cut')));
  await expect(box.run({ ...options, runId }, crash)).rejects.toThrow('power cut');
  return runId;
}

/** What is returned, and what the user reads, for an answer on a terminal; without one for null. */
async function offered(
  answer: string | null,
  runId?: string,
  via: 'job' | 'workflow' = 'job',
): Promise<[string | null, string]> {
  const asked = { via, ...(runId !== undefined && { runId }) };
  if (answer === null) {
    let said = '';
    const chosen = await unfinishedToResume(box.context, asked, null, (more) => {
      said += more;
    });
    return [chosen, said];
  }
  const [input, output] = [new PassThrough(), new PassThrough()];
  const said = text(output);
  input.end(answer);
  const chosen = await unfinishedToResume(box.context, asked, { input, output }, (more) =>
    output.write(more),
  );
  output.end();
  return [chosen, await said];
}

it('is nothing where there is no such run', async () => {
  expect(await offered(null)).toEqual([null, '']);
  expect(await offered('y\n')).toEqual([null, '']);
});

it('is a question on a terminal, and a line elsewhere', async () => {
  const runId = await brokenOff();
  const words = `run ${runId} (failed: internal, begun 0 min ago) is unfinished`;
  expect(await offered(null)).toEqual([
    null,
    `${words}: --resume ${runId} goes on with it, \`reseal abandon ${runId}\` ends it; this is a new run\n`,
  ]);
  const question = `${words}; go on with it instead of a new run? [Y/n] `;
  for (const [answer, chosen] of [
    ['\n', runId],
    ['Yes\n', runId],
    ['n\n', null],
    [' NO \n', null],
    ['', null],
  ] as const)
    expect([answer, ...(await offered(answer))]).toEqual([
      answer,
      chosen,
      answer === '' ? `${question}\n` : question,
    ]);
  // The workflow cannot go on with a run of the direct engine.
  const [none, line] = await offered('y\n', undefined, 'workflow');
  expect([none, line]).toEqual([
    null,
    expect.stringContaining(`${words}: --resume ${runId} goes on with it`),
  ]);
  await box.sql(`UPDATE runs SET engine = 'dataproc' WHERE run_id = '${runId}'`);
  expect(await offered('y\n', undefined, 'workflow')).toEqual([runId, question]);
  // The caller names that run already.
  expect(await offered(null, runId)).toEqual([null, '']);
});

it('leaves out what is driven, abandoned or made up for', async () => {
  const owner = newOwner();
  const runId = await brokenOff();
  expect((await offered(null))[1]).toContain(
    `run ${runId} (failed: internal, begun 0 min ago) is unfinished, and 1 more`,
  );
  await box.sql(
    `UPDATE runs SET owner = '${owner}', heartbeat = CURRENT_TIMESTAMP() WHERE run_id = '${runId}'`,
  );
  expect((await offered(null))[1]).not.toContain(runId);
  released(owner);
  expect((await offered(null))[1]).toContain(runId);
  await abandon(box.context, runId, false);
  expect((await offered(null))[1]).not.toContain(runId);
  expect((await offered(null))[1]).toContain('is unfinished');
  await box.run();
  expect(await offered(null)).toEqual([null, '']);
});

it('is made up for by a later run of its mode, or of all values, that took no fewer', async () => {
  await box.sql('DELETE FROM runs WHERE TRUE');
  const runId = await brokenOff({ mode: 'all', limit: 5 });
  await box.run();
  await box.run({ mode: 'stale' });
  await box.run({ mode: 'all', limit: 4 });
  expect((await offered(null))[1]).toContain(runId);
  await box.run({ mode: 'all', limit: 5 });
  expect(await offered(null)).toEqual([null, '']);
  for (const later of [{ mode: 'pending' }, { mode: 'all' }] as const) {
    const stale = await brokenOff();
    await box.sql(`UPDATE runs SET mode = 'stale' WHERE run_id = '${stale}'`);
    await box.run(later);
    expect((await offered(null))[1].includes(stale)).toBe(later.mode === 'pending');
  }
});
