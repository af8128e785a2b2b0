import { afterAll, beforeAll, expect, it } from 'vitest';
import { entries, follow } from '../../support/cloud-run.ts';
import { type TestSandbox, testSandbox } from '../../support/sandbox.ts';

let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({}, 'direct');
});
afterAll(() => box.close());

it('the job that the program deploys into a sandbox is that of the checkout', async () => {
  const { run: origin, accessToken: token } = box.sandbox.owner;
  const answer = await fetch(`${origin}/v2/${box.deployment.cloudRunJob}:run`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ overrides: { containerOverrides: [{ args: ['--run=no'] }] } }),
  });
  const operation = (await answer.json()) as { metadata: { name: string } };
  const said = entries(await follow({ origin, token }, operation));
  expect(said.map(({ textPayload }) => textPayload).join('\n')).toMatch(/^error \((?!sandbox)[a-z-]+\): /);
});
