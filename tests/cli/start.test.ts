import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/** Every module that a call of the command line loads, as Node's own tracing names them. */
async function loaded(...args: string[]): Promise<{ stdout: string; packages: Set<string> }> {
  const env = { ...process.env, NODE_DEBUG: 'esm,module' };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['bin/reseal.js', ...args], {
    env,
    maxBuffer: 64 * 1024 * 1024,
  });
  const found = stderr.matchAll(/node_modules\/((?:@[\w.-]+\/)?[\w.-]+)\//g);
  return { stdout, packages: new Set([...found].map(([, name = '']) => name)) };
}

/** Time is the machine's; what is loaded decides it. */
const LIGHT = ['.cache', 'commander', 'esbuild'];

it.each([['--help'], ['trigger', '--help'], ['--version']])(
  '%s %s loads nothing but the parser of the command line',
  async (...args) => {
    const { stdout, packages } = await loaded(...args.filter((arg) => arg !== undefined));
    expect(stdout).toMatch(/^(Usage: reseal|\d+\.\d+\.\d+)/);
    expect(packages).toContain('commander');
    expect([...packages].filter((name) => !LIGHT.includes(name))).toEqual([]);
  },
);
