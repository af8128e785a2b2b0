import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import { parse } from 'yaml';
import { writeAtomically } from '../state/files.ts';
import { bindingsOf } from './bindings.ts';
import type { DeployAnswer, DeployOptions } from './deployer.ts';
import { creators } from './resources.ts';

/** The process that `deploy` forks: one message in, one out. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Recorded {
  type: string;
  name: string;
  /** Whether the sandbox has a counterpart of it. */
  created: boolean;
  inputs: Record<string, unknown>;
}

/** The configuration as the engine hands it over: every value is text, lists and maps as JSON. */
function configOf(stack: string, changes: Readonly<Record<string, string>>): Record<string, string> {
  const name = `Pulumi.${stack}.yaml`;
  if (!existsSync(join(ROOT, name))) throw new Error(`there is no ${name}`);
  const file = parse(readFileSync(join(ROOT, name), 'utf8')) as { config?: Record<string, unknown> };
  const config = Object.entries(file.config ?? {}).map(([key, value]) => [
    key,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  const given = Object.entries(changes).map(([key, value]) => [
    key.includes(':') ? key : `reseal:${key}`,
    value,
  ]);
  return Object.fromEntries([...config, ...given]);
}

async function run({ stack, config, endpoints, state }: DeployOptions): Promise<DeployAnswer> {
  const { name: project } = parse(readFileSync(join(ROOT, 'Pulumi.yaml'), 'utf8')) as { name: string };
  const create = creators(endpoints);
  const inventory: Recorded[] = [];
  const failures: string[] = [];
  await pulumi.runtime.setMocks(
    {
      async newResource({ type, name, inputs, custom }) {
        if (custom !== true) return { id: undefined, state: inputs };
        const creator = create[type];
        inventory.push({ type, name, created: creator !== undefined, inputs });
        try {
          return { id: (await creator?.(inputs)) ?? `${name}-id`, state: inputs };
        } catch (error) {
          failures.push(`${type} ${name}: ${error instanceof Error ? error.message : error}`);
          throw error;
        }
      },
      call: ({ token }) => ({
        emailAddress: 'storage@sandbox.invalid',
        email: `${token.replace(/[^a-z]/gi, '-')}@sandbox.invalid`,
      }),
    },
    project,
    stack,
    false,
  );
  // Mocks have no hooks: they wait for Google, which is not here.
  Object.assign(pulumi.runtime.getMonitor() ?? {}, {
    registerResourceHook: (_hook: unknown, answer: (error: null, empty: object) => void) => answer(null, {}),
  });
  try {
    pulumi.runtime.setAllConfig(configOf(stack, config));
    const { default: exported } = await import('../../index.ts');
    const outputs = await new Promise((resolve, reject) => {
      process.once('unhandledRejection', reject);
      pulumi.output(exported).apply(resolve);
    });
    await pulumi.runtime.disconnect();
    if (failures.length > 0) return { failed: failures.join('\n') };
    inventory.sort((a, b) => (`${a.type} ${a.name}` < `${b.type} ${b.name}` ? -1 : 1));
    writeAtomically(join(state, 'inventory.json'), JSON.stringify(inventory, null, 1));
    return { outputs, bindings: bindingsOf(inventory, outputs) };
  } catch (error) {
    return { failed: failures.join('\n') || (error instanceof Error ? error.message : String(error)) };
  }
}

process.once('message', async (options) => {
  const answer = await run(options as DeployOptions);
  process.send?.(answer, () => process.exit(0));
});
process.once('disconnect', () => process.exit(1));
