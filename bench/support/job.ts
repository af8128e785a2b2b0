/** One run of an engine, which the second argument names, against a sandbox that is there. Prints its figures as JSON. */
import { readFileSync } from 'node:fs';
import { runContext } from '../../jobs/cli/connect.ts';
import { parseDeployment } from '../../jobs/contract/deployment.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { EngineName } from '../../jobs/contract/settings/choices.ts';
import { run } from '../../jobs/run/run.ts';

const { endpoints, outputs } = JSON.parse(readFileSync(process.argv[2] as string, 'utf8'));
const deployment = parseDeployment(outputs);
const target = { deployment, endpoints, next: '', close: async () => {} };
const context = await runContext(target, new AbortController().signal);
const steps: Record<string, number> = {};

const before = process.cpuUsage();
const started = performance.now();
const report = await run(
  context,
  { runId: newRunId(), mode: 'pending', limit: null, engine: process.argv[3] as EngineName },
  {
    async step(name, work) {
      const from = performance.now();
      const result = await work(() => {});
      steps[name] = (performance.now() - from) / 1000;
      return result;
    },
  },
);
const { user, system } = process.cpuUsage(before);
const seconds = (performance.now() - started) / 1000;
const { maxRSS } = process.resourceUsage();
process.stdout.write(
  `${JSON.stringify({ report, steps, seconds, cpu: (user + system) / 1e6, maxRssKb: maxRSS })}\n`,
);
