import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Deployment } from '../../../jobs/contract/deployment.ts';
import { workflowEngines } from '../../../jobs/contract/workflow-engines.ts';
import { ensureVenv } from '../../../jobs/spark/venv.ts';
import type { TestSandbox } from '../sandbox.ts';

const script = fileURLToPath(new URL('emulate.py', import.meta.url));

/** What an execution ended with. */
export interface Ended {
  readonly result?: Readonly<Record<string, string>>;
  readonly error?: Readonly<Record<string, string>>;
  /** The structured entries that it wrote into Cloud Logging. */
  readonly entries: readonly { readonly severity: string; readonly json: { readonly reseal: object } }[];
}

/** Executions of the workflow that the sandbox's deployment recorded. */
export interface Emulator {
  /** The definition, as `pulumi up` would deploy it. */
  readonly source: string;
  /** Runs to the end; a given signal ends it wherever it is, as a cancelled execution ends. */
  execute(args: object | null, executionId?: string, signal?: AbortSignal): Promise<Ended>;
  close(): Promise<void>;
}

/** The program's own output: source and account of the workflow among the resources that it asked for. */
export function deployedWorkflow(state: string): { source: string; account: string } {
  const inventory = JSON.parse(readFileSync(join(state, 'inventory.json'), 'utf8')) as {
    type: string;
    inputs: { sourceContents?: string; serviceAccount?: string };
  }[];
  const workflow = inventory.find(({ type }) => type === 'gcp:workflows/workflow:Workflow');
  const { sourceContents: source, serviceAccount: account } = workflow?.inputs ?? {};
  if (source === undefined || account === undefined) throw new Error('the program deployed no workflow');
  return { source, account };
}

/** Puts the sandbox in Google's place, and fractions of a second in the place of seconds; nothing else. */
function onLoopback(source: string, origin: string, deployment: Deployment): string {
  const engines = workflowEngines(deployment);
  const ofBatches: [from: string, to: string][] = [
    [`https://${deployment.location}-dataproc.googleapis.com`, origin],
    ['https://storage.googleapis.com', origin],
    ['sys.now() - since > 1800', 'sys.now() - since > 3'],
    ['sys.now() - since > 600', 'sys.now() - since > 1'],
  ];
  const ofJob: [from: string, to: string][] = [['https://run.googleapis.com', origin]];
  const replaced: readonly [from: string, to: string][] = [
    ['https://bigquery.googleapis.com', origin],
    ['initial_delay: 30', 'delay: 0.05'],
    ['- wait: 5\n', '- wait: 0.1\n'],
    ['math.min(wait * 2, 60)', 'math.min(wait * 2, 0.4)'],
    ...(engines.includes('dataproc') ? ofBatches : []),
    ...(engines.includes('bigquery') ? ofJob : []),
  ];
  return replaced.reduce((whole, [from, to]) => {
    if (!whole.includes(from)) throw new Error(`the workflow has no ${from}`);
    return whole.replaceAll(from, to);
  }, source);
}

/** Where the workflow's service account gets its tokens. */
async function tokenServer(accessToken: string) {
  const token = { access_token: accessToken, token_type: 'Bearer', expires_in: 3600 };
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(token));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    uri: `http://127.0.0.1:${port}/token`,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

/** `given` takes the place of the definition that was deployed, `origin` that of the sandbox's own. */
export async function emulator(
  box: TestSandbox,
  given?: string,
  origin: string = box.sandbox.endpoints.bigquery,
): Promise<Emulator> {
  const { folder, state, deployment } = box;
  const { source: deployed, account: email } = deployedWorkflow(state);
  const source = given ?? deployed;
  const accessToken = await box.token(`serviceAccount:${email}`);
  const [python, tokens] = await Promise.all([ensureVenv(), tokenServer(accessToken)]);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const account = join(folder, 'account.json');
  const file = {
    type: 'service_account',
    project_id: deployment.project,
    private_key_id: 'made-up',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: email,
    token_uri: tokens.uri,
  };
  writeFileSync(account, JSON.stringify(file), { mode: 0o600 });
  const local = onLoopback(source, origin, deployment);
  return {
    source,
    async execute(args, execution = randomUUID(), signal = undefined) {
      const child = spawn(python, [script], {
        env: { ...process.env, GOOGLE_APPLICATION_CREDENTIALS: account },
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
      signal?.addEventListener('abort', () => child.kill('SIGKILL'));
      child.stdin.end(JSON.stringify({ deployed: source, source: local, args, execution }));
      const [answer, complaint] = await Promise.all([text(child.stdout), text(child.stderr)]);
      if ((await ended) !== 0) throw new Error(`the emulator failed:\n${complaint.slice(-3000)}`);
      return JSON.parse(answer) as Ended;
    },
    close: tokens.close,
  };
}
