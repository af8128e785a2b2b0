import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { parse } from 'yaml';

/** One resource that the program asked for. */
export interface Recorded {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  custom: boolean;
  protect: boolean;
  /** Whether Pulumi leaves it in Google Cloud where the program, or the whole stack, has it no longer. */
  retained: boolean;
  /** Properties that are set when it is made and left alone afterwards. */
  ignored: string[];
  /** What has it replaced when it changes; undefined where nothing does. */
  replacementTrigger?: unknown;
}

/** Everything that one run of the program asked for and gave out. */
export interface Program {
  resources: Recorded[];
  outputs: unknown;
  calls: string[];
}

export const STACKS = ['dev', 'staging', 'prod'] as const;

/** Configuration as the engine hands it over: every value is text, lists and maps as JSON. */
export type Config = Record<string, string>;

/** The configuration of a stack's file, with the test bundle in place of the real one. */
export function configOf(stack: string, changes: Record<string, unknown> = {}): Config {
  const file = parse(readFileSync(`Pulumi.${stack}.yaml`, 'utf8')) as { config: Record<string, unknown> };
  const all = { ...file.config, 'reseal:bundle': 'tests/fixtures/bundle', ...changes };
  return Object.fromEntries(
    Object.entries(all)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

const run = promisify(execFile);

/** Runs the program under mocks; rejects with what it printed where it fails. */
export async function runProgram(
  stack: string,
  config: Config,
  { preview = false, daysLater = 0 } = {},
): Promise<Program> {
  const given = JSON.stringify({ stack, config, preview, daysLater });
  const args = ['--import', 'tsx', 'tests/support/pulumi/recorder.ts', given];
  const { stdout } = await run(process.execPath, args, { maxBuffer: 1 << 26 });
  return JSON.parse(stdout) as Program;
}

const cached = new Map<string, Promise<Program>>();

/** What a project fills into the files of its stacks: the inventories are to have all of it. */
export const FILLED_IN: Readonly<Record<string, Record<string, unknown>>> = {
  staging: { 'reseal:readers': 'analysts-staging@example.com' },
  prod: {
    'reseal:readers': 'analysts@example.com',
    'reseal:notificationChannels': ['projects/example-data-prod/notificationChannels/1000000000000000001'],
  },
};

/** The program of a stack as its file stands, readers and channels filled in, run once. */
export function stackProgram(stack: string): Promise<Program> {
  const known = cached.get(stack) ?? runProgram(stack, configOf(stack, FILLED_IN[stack]));
  cached.set(stack, known);
  return known;
}
