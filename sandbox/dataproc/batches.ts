import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GoogleError } from '../errors/google-error.ts';
import { Faults } from '../faults/plane.ts';
import type { RuleOf } from '../faults/rules.ts';
import type { Json } from '../http/router.ts';
import { readJsonFile, writeAtomically } from '../state/files.ts';

/** https://cloud.google.com/dataproc-serverless/docs/reference/rest/v1/projects.locations.batches#state */
export type BatchState = 'PENDING' | 'RUNNING' | 'CANCELLING' | 'CANCELLED' | 'SUCCEEDED' | 'FAILED';
const TERMINAL: readonly BatchState[] = ['CANCELLED', 'SUCCEEDED', 'FAILED'];

/** A batch as the API shows it: what was posted, and what became of it. */
export interface Batch extends Json {
  name: string;
  uuid: string;
  createTime: string;
  state: BatchState;
  stateMessage?: string;
  stateTime: string;
  stateHistory: { state: BatchState; stateStartTime: string; stateMessage?: string }[];
  operation: string;
  runtimeInfo: {
    outputUri?: string;
    approximateUsage?: { milliDcuSeconds: string; shuffleStorageGbSeconds: string };
  };
}

/** What runs a batch: it writes the driver's output line by line, and throws where the batch fails. */
export type BatchRunner = (batch: Batch, output: DriverOutput, signal: AbortSignal) => Promise<void>;
export interface DriverOutput {
  readonly uri: string;
  write(text: string): void;
  close(): Promise<void>;
}

/** DCUs of the smallest batch: a driver and two executors of four cores each. */
const DCUS = 12;

const CREATE = { service: 'dataproc', method: 'batches.create' } as const;
/** The state message of a batch that fails because a rule asks for it. */
const ORDERED = 'Batch failed: the sandbox was asked for a failing batch.';

/** Resolves once the signal is given. */
const given = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** The batches of a sandbox, their state machine and their operations. */
export class Batches {
  readonly #file: string;
  readonly #run: BatchRunner;
  readonly #output: (batch: Batch) => DriverOutput;
  readonly #batches = new Map<string, Batch>();
  readonly #requests = new Map<string, string>();
  readonly #faults: Faults;
  readonly #running = new Map<string, { abort: AbortController; ended: Promise<void> }>();

  constructor(
    folder: string,
    run: BatchRunner,
    output: (batch: Batch) => DriverOutput,
    faults = new Faults(),
  ) {
    this.#faults = faults;
    this.#file = join(folder, 'dataproc', 'batches.json');
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    this.#run = run;
    this.#output = output;
    for (const batch of (readJsonFile(this.#file) ?? []) as Batch[]) {
      this.#batches.set(batch.name, batch);
      if (!TERMINAL.includes(batch.state)) this.#enter(batch, 'FAILED', 'The sandbox was stopped.');
    }
  }

  /** Creates a batch for its member and starts it; a repeated request id answers with the first one's. */
  create(name: string, body: Json, requestId: string | null, member: string): Batch {
    const first = requestId === null ? undefined : this.#requests.get(requestId);
    if (first !== undefined) return this.get(first);
    if (this.#batches.has(name))
      throw new GoogleError('ALREADY_EXISTS', `Already exists: Failed to create batch: Batch ${name}`);
    const now = new Date().toISOString();
    const region = name.split('/').slice(0, 4).join('/').replace('/locations/', '/regions/');
    const batch: Batch = {
      ...body,
      name,
      uuid: randomUUID(),
      createTime: now,
      state: 'PENDING',
      stateTime: now,
      stateHistory: [],
      operation: `${region}/operations/${randomUUID()}`,
      runtimeInfo: {},
    };
    this.#batches.set(name, batch);
    if (requestId !== null) this.#requests.set(requestId, name);
    const abort = new AbortController();
    const [fault] = this.#faults.hit('batch', CREATE, member);
    this.#running.set(name, { abort, ended: this.#carryOut(batch, abort.signal, fault) });
    this.#save();
    return batch;
  }

  async #carryOut(batch: Batch, signal: AbortSignal, fault: RuleOf<'batch'> | undefined): Promise<void> {
    const output = this.#output(batch);
    const started = Date.now();
    // The caller sees PENDING first, as with the service.
    await new Promise((resolve) => setImmediate(resolve));
    if (fault?.kind === 'batch-stuck' && fault.state === 'PENDING') await given(signal);
    if (!signal.aborted) {
      if (fault?.kind !== 'batch-silent') batch.runtimeInfo.outputUri = output.uri;
      this.#enter(batch, 'RUNNING');
    }
    let [state, message]: [BatchState, string | undefined] = ['SUCCEEDED', undefined];
    try {
      if (fault?.kind === 'batch-stuck') await given(signal);
      if (fault?.kind === 'batch-failed') output.write(fault.output);
      const idle = fault !== undefined && 'when' in fault && fault.when === 'before';
      if (!signal.aborted && !idle) await this.#run(batch, output, signal);
      if (fault?.kind === 'batch-failed') throw new Error(ORDERED);
      if (fault?.kind === 'batch-cancelled') state = 'CANCELLED';
    } catch (error) {
      [state, message] = ['FAILED', error instanceof Error ? error.message : String(error)];
    }
    await output.close();
    const milliDcuSeconds = String((Date.now() - started) * DCUS);
    batch.runtimeInfo.approximateUsage = { milliDcuSeconds, shuffleStorageGbSeconds: '0' };
    if (signal.aborted) this.#enter(batch, 'CANCELLED');
    else this.#enter(batch, state, message);
    this.#running.delete(batch.name);
  }

  #enter(batch: Batch, state: BatchState, message?: string): void {
    const { state: before, stateTime, stateMessage } = batch;
    batch.stateHistory.push({
      state: before,
      stateStartTime: stateTime,
      ...(stateMessage === undefined ? {} : { stateMessage }),
    });
    batch.state = state;
    batch.stateTime = new Date().toISOString();
    if (message !== undefined) batch.stateMessage = message;
    this.#save();
  }

  get(name: string): Batch {
    const batch = this.#batches.get(name);
    if (batch === undefined) throw new GoogleError('NOT_FOUND', `Not found: Batch ${name}`);
    return batch;
  }

  list(parent: string): Batch[] {
    return [...this.#batches.values()].filter(({ name }) => name.startsWith(`${parent}/batches/`)).reverse();
  }

  byOperation(operation: string): Batch {
    const batch = [...this.#batches.values()].find((one) => one.operation === operation);
    if (batch === undefined) throw new GoogleError('NOT_FOUND', `Not found: Operation ${operation}`);
    return batch;
  }

  /** Cancels the work behind an operation; one that has ended stays as it is. */
  cancel(operation: string): void {
    const batch = this.byOperation(operation);
    const running = this.#running.get(batch.name);
    if (running === undefined || batch.state === 'CANCELLING') return;
    this.#enter(batch, 'CANCELLING');
    running.abort.abort();
  }

  /** Only a batch that has ended may be deleted. */
  delete(name: string): void {
    const batch = this.get(name);
    if (!TERMINAL.includes(batch.state))
      throw new GoogleError(
        'FAILED_PRECONDITION',
        `Batch ${name} is in state ${batch.state}; cancel it first.`,
      );
    this.#batches.delete(name);
    this.#save();
  }

  /** Stops what runs, for the sandbox's own end. */
  async close(): Promise<void> {
    const running = [...this.#running.values()];
    for (const { abort } of running) abort.abort();
    await Promise.all(running.map(({ ended }) => ended));
  }

  #save(): void {
    writeAtomically(this.#file, JSON.stringify([...this.#batches.values()]));
  }
}

export const ended = (batch: Batch): boolean => TERMINAL.includes(batch.state);
