import * as pulumi from '@pulumi/pulumi';
import type { Program, Recorded } from './program.ts';

/**
 * Runs the Pulumi program under mocks and prints what it asked for. A process of its own, as the program
 * reads its settings when it is imported and the engine's runtime is one a process.
 *
 * argv[2]: {"stack": …, "config": {"reseal:…": …}, "preview": …, "daysLater": …} as JSON
 */
const given = JSON.parse(process.argv[2] ?? '{}') as {
  stack: string;
  config: Record<string, string>;
  preview: boolean;
  daysLater: number;
};

// Another day, for the test that nothing depends on the day.
const RealDate = Date;
const shift = given.daysLater * 86_400_000;
globalThis.Date = class extends RealDate {
  constructor(...args: [] | [number | string]) {
    super(...((args.length === 0 ? [RealDate.now() + shift] : args) as [number]));
  }
  static override now = () => RealDate.now() + shift;
} as DateConstructor;

const recorded = new Map<string, Recorded>();
const calls: string[] = [];

await pulumi.runtime.setMocks(
  {
    newResource: ({ type, name, inputs, custom }) => {
      const key = `${type}::${name}`;
      if (recorded.has(key)) throw new Error(`two resources are called ${key}`);
      recorded.set(key, {
        type,
        name,
        inputs,
        custom: custom === true,
        protect: false,
        retained: false,
        ignored: [],
      });
      return { id: custom === true ? `${name}-id` : undefined, state: inputs };
    },
    call: ({ token }) => {
      calls.push(token);
      return token.includes('storage')
        ? { emailAddress: 'service-1@gs-project-accounts.iam.gserviceaccount.com' }
        : { email: 'bq-1@bigquery-encryption.iam.gserviceaccount.com' };
    },
  },
  'reseal',
  given.stack,
  given.preview,
);
pulumi.runtime.setAllConfig(given.config);

// Mocks are not told of these options, the monitor's request is.
const monitor = pulumi.runtime.getMonitor();
if (monitor === undefined) throw new Error('no monitor');
const register = monitor.registerResource.bind(monitor) as (...args: unknown[]) => unknown;
const watched = (
  request: {
    getType(): string;
    getName(): string;
    getProtect(): boolean;
    getRetainondelete(): boolean | undefined;
    getIgnorechangesList(): string[];
    getReplacementTrigger(): { toJavaScript(): unknown } | undefined;
  },
  ...rest: unknown[]
) => {
  const key = `${request.getType()}::${request.getName()}`;
  const protect = request.getProtect();
  const retained = request.getRetainondelete() === true;
  const ignored = request.getIgnorechangesList();
  const replacementTrigger = request.getReplacementTrigger()?.toJavaScript();
  const answer = register(request, ...rest);
  queueMicrotask(() => {
    const found = recorded.get(key);
    if (found !== undefined) Object.assign(found, { protect, retained, ignored, replacementTrigger });
  });
  return answer;
};
// Mocks have no hooks: the engine would call them, here nothing is made that they could follow.
const registerResourceHook = (_request: unknown, answer: (error: null, empty: object) => void) =>
  answer(null, {});
Object.assign(monitor, { registerResource: watched, registerResourceHook });

const { default: exported } = await import('../../../index.ts');
const outputs = await new Promise((resolve) => pulumi.output(exported).apply(resolve));
await pulumi.runtime.disconnect();

const resources = [...recorded.values()].sort((a, b) =>
  `${a.type} ${a.name}` < `${b.type} ${b.name}` ? -1 : 1,
);
process.stdout.write(JSON.stringify({ resources, outputs, calls: calls.sort() } satisfies Program));
