import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import type { Config, Recorded } from './program.ts';

/**
 * Stands for the Pulumi engine: the gRPC services that Pulumi's own language host talks to, so that the program
 * runs as `pulumi preview` and `pulumi up` run it: its entry point from Pulumi.yaml, exports become outputs,
 * values travel serialised. Providers echo what they are asked for, and know no ids during a preview.
 */
const require = createRequire(import.meta.url);
const grpc = createRequire(require.resolve('@pulumi/pulumi'))('@grpc/grpc-js');
const google = createRequire(require.resolve('@pulumi/pulumi'));
const { Struct } = google('google-protobuf/google/protobuf/struct_pb');
const { Empty } = google('google-protobuf/google/protobuf/empty_pb');
const { ResourceMonitorService } = require('@pulumi/pulumi/proto/resource_grpc_pb');
const { EngineService } = require('@pulumi/pulumi/proto/engine_grpc_pb');
const resources = require('@pulumi/pulumi/proto/resource_pb');
const engine = require('@pulumi/pulumi/proto/engine_pb');
const { InvokeResponse } = require('@pulumi/pulumi/proto/provider_pb');

// biome-ignore lint/suspicious/noExplicitAny: Pulumi publishes no types for its messages that Node resolves
type Message = any;
type Handler = (call: { request: Message }, answer: (error: null, message: Message) => void) => void;

/** A resource as the engine got it, with what it waits for. */
export interface Registered extends Omit<Recorded, 'custom'> {
  urn: string;
  custom: boolean;
  dependencies: string[];
  /** Hooks that the engine calls once it has created it. */
  afterCreate: string[];
  /** And those before it updates it. */
  beforeUpdate: string[];
}

export interface EngineRun {
  code: number;
  registered: Registered[];
  outputs: Record<string, unknown>;
  /** What the program told the engine to show, errors and warnings. */
  messages: string[];
}

const FEATURES = new Set(['secrets', 'resourceReferences', 'deletedWith', 'aliasSpecs', 'resourceHooks']);

function monitor(run: EngineRun, preview: boolean): Record<string, Handler> {
  return {
    supportsFeature: ({ request }, answer) => {
      const response = new resources.SupportsFeatureResponse();
      response.setHassupport(FEATURES.has(request.getId()));
      answer(null, response);
    },
    registerResource: ({ request }, answer) => {
      const type = request.getType();
      const parent = request.getParent().split('::')[2] ?? '';
      const nested = parent === '' || parent.startsWith('pulumi:pulumi:Stack') ? type : `${parent}$${type}`;
      const urn = `urn:pulumi:stack::reseal::${nested}::${request.getName()}`;
      run.registered.push({
        urn,
        type,
        name: request.getName(),
        inputs: request.getObject().toJavaScript(),
        custom: request.getCustom(),
        protect: request.getProtect(),
        retained: request.getRetainondelete() === true,
        ignored: request.getIgnorechangesList(),
        dependencies: request.getDependenciesList(),
        afterCreate: request.getHooks()?.getAfterCreateList() ?? [],
        beforeUpdate: request.getHooks()?.getBeforeUpdateList() ?? [],
      });
      const response = new resources.RegisterResourceResponse();
      response.setUrn(urn);
      if (!preview && request.getCustom()) response.setId(`${request.getName()}-id`);
      response.setObject(request.getObject());
      answer(null, response);
    },
    registerResourceOutputs: ({ request }, answer) => {
      if (request.getUrn().includes('pulumi:pulumi:Stack')) run.outputs = request.getOutputs().toJavaScript();
      answer(null, new Empty());
    },
    registerResourceHook: (_, answer) => answer(null, new Empty()),
    invoke: ({ request }, answer) => {
      const response = new InvokeResponse();
      const agent = request.getTok().includes('storage') ? 'emailAddress' : 'email';
      response.setReturn(Struct.fromJavaScript({ [agent]: 'agent@example.iam.gserviceaccount.com' }));
      answer(null, response);
    },
    signalAndWaitForShutdown: (_, answer) => answer(null, new Empty()),
  };
}

function host(run: EngineRun): Record<string, Handler> {
  let root = '';
  return {
    log: ({ request }, answer) => {
      // 0 is debug, 1 is info.
      if (request.getSeverity() > 1) run.messages.push(request.getMessage());
      answer(null, new Empty());
    },
    getRootResource: (_, answer) => {
      const response = new engine.GetRootResourceResponse();
      response.setUrn(root);
      answer(null, response);
    },
    setRootResource: ({ request }, answer) => {
      root = request.getUrn();
      answer(null, new engine.SetRootResourceResponse());
    },
  };
}

/** Serves the handlers on a port of its own. */
async function serve(service: Message, handlers: Record<string, Handler>): Promise<[Message, string]> {
  const server = new grpc.Server();
  server.addService(service, handlers);
  const port = await new Promise<number>((done, fail) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error: Error, bound: number) =>
      error ? fail(error) : done(bound),
    );
  });
  return [server, `127.0.0.1:${port}`];
}

/** Runs the program in Pulumi's language host, as a preview or as an update. */
export async function runEngine(stack: string, config: Config, preview: boolean): Promise<EngineRun> {
  const run: EngineRun = { code: -1, registered: [], outputs: {}, messages: [] };
  const [monitorServer, monitorAddress] = await serve(ResourceMonitorService, monitor(run, preview));
  const [engineServer, engineAddress] = await serve(EngineService, host(run));
  const flags = [
    '--monitor',
    monitorAddress,
    '--engine',
    engineAddress,
    '--project',
    'reseal',
    '--stack',
    stack,
  ];
  if (preview) flags.push('--dry-run', 'true');
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', 'node_modules/@pulumi/pulumi/cmd/run', ...flags, '--pwd', process.cwd(), 'index.ts'],
    // The second is what `typescript: false` in Pulumi.yaml comes to.
    {
      env: { ...process.env, PULUMI_CONFIG: JSON.stringify(config), PULUMI_NODEJS_TYPESCRIPT: 'false' },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  run.code = await new Promise<number>((done) => child.once('exit', (code) => done(code ?? -1)));
  if (said.length > 0) run.messages.push(Buffer.concat(said).toString());
  monitorServer.forceShutdown();
  engineServer.forceShutdown();
  return run;
}
