import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { GoogleError, invalidQuery } from '../../errors/google-error.ts';
import { Faults } from '../../faults/plane.ts';
import type { RuleOf } from '../../faults/rules.ts';
import type { Caller } from '../../http/caller.ts';
import { type Json, objectOr, text } from '../../http/router.ts';
import { onBucket } from '../../iam/resources.ts';
import { Access } from '../access.ts';
import type { Backend } from '../duckdb/backend.ts';
import { CATALOG, rows } from '../duckdb/engine.ts';
import { cancelled, queryFailure } from '../duckdb/failures.ts';
import { dropResult, type Result } from '../duckdb/results.ts';
import { admitLoad } from '../load/admit.ts';
import { type LoadOutcome, load } from '../load/load.ts';
import { bytesProcessed } from '../script/bytes.ts';
import { type Outcome, runScript } from '../script/execute.ts';
import { validateScript } from '../script/validate.ts';
import { at } from '../translate/ranges.ts';
import { readParameters } from '../translate/values.ts';
import { checkLabels } from './labels.ts';
import { page, resultSource } from './pages.ts';

type ErrorProto = ReturnType<GoogleError['toProto']>;

/** The objects that a load job's sourceUris name, as local files. */
export interface ObjectFiles {
  resolve(uri: string): Promise<string[]>;
}

/** A job, running or done. */
export interface Job {
  id: string;
  /** Who started it: a member as bindings name it. */
  owner: string;
  location: string;
  configuration: Json;
  labels: Json;
  createdMillis: number;
  startedMillis: number;
  endedMillis?: number;
  error?: { status: GoogleError['status']; proto: ErrorProto };
  outcome?: Omit<Outcome, 'result'>;
  result?: Result;
  /** A small result that outlives the process, as rows in JSON. */
  kept?: { columns: Result['columns']; count: number; json: string };
  load?: LoadOutcome;
  /** What a dry run would have processed. */
  bytes?: number;
  parent?: string;
  done: Promise<void>;
  interrupt?: () => void;
}

const HOME = `${CATALOG}."_sandbox".jobs`;
/** The newest results stay readable: fewer of the large ones, which fill the memory. */
const KEPT_RESULTS = 200;
const LARGE_ROWS = 20_000;
const KEPT_LARGE_RESULTS = 3;
/** A result of at most so many rows is kept over a restart. */
const SMALL_ROWS = 100;
/** How long jobs.insert waits for a quick job, so that most are DONE in its answer. */
const QUICK_JOB_MS = 40;

/** Where jobs are looked for that are asked for without a location. */
const MULTI_REGIONS = new Set(['us', 'eu']);
/**
 * "Maximum unresolved GoogleSQL query length", comments and white space included.
 * https://cloud.google.com/bigquery/quotas#query_jobs
 */
const MOST_CHARACTERS = 1024 * 1024;

const INSERT = { service: 'bigquery', method: 'jobs.insert' } as const;
/** https://cloud.google.com/bigquery/docs/error-messages */
const JOB_ERRORS = {
  rateLimitExceeded: [
    'RESOURCE_EXHAUSTED',
    'Exceeded rate limits: too many concurrent queries for this project',
  ],
  quotaExceeded: ['RESOURCE_EXHAUSTED', 'Quota exceeded: Your project exceeded quota for query jobs'],
  backendError: ['UNAVAILABLE', 'Error encountered during execution. Retrying may solve the problem.'],
  internalError: ['INTERNAL', 'An internal error occurred and the request could not be completed.'],
} as const;

/** A job that runs until it is cancelled. */
const stuck = (job: Job): Promise<never> =>
  new Promise((_, reject) => {
    job.interrupt = () => reject(cancelled());
  });

async function failing(reason: keyof typeof JOB_ERRORS): Promise<never> {
  const [status, message] = JOB_ERRORS[reason];
  throw new GoogleError(status, message, { reason });
}

const bucketOf = (uri: string): string => /^gs:\/\/([^/]+)/.exec(uri)?.[1] ?? '';

/** The jobs of the project. What changed a table is remembered over a restart, without the query's text. */
export class Jobs {
  readonly #backend: Backend;
  readonly #objects: ObjectFiles;
  readonly #location: () => string;
  readonly #faults: Faults;
  readonly #jobs = new Map<string, Job>();

  private constructor(backend: Backend, objects: ObjectFiles, location: () => string, faults: Faults) {
    this.#backend = backend;
    this.#objects = objects;
    this.#location = location;
    this.#faults = faults;
  }

  static async open(
    backend: Backend,
    objects: ObjectFiles,
    location: () => string,
    faults = new Faults(),
  ): Promise<Jobs> {
    const jobs = new Jobs(backend, objects, location, faults);
    await backend.engine.use(async (connection) => {
      await connection.run(`CREATE TABLE IF NOT EXISTS ${HOME} (body VARCHAR)`);
      for (const [body] of await rows(connection, `SELECT body FROM ${HOME}`)) {
        const job = JSON.parse(String(body));
        jobs.#jobs.set(job.id, { ...job, done: Promise.resolve() });
      }
    });
    return jobs;
  }

  /** Newest first. */
  list(): Job[] {
    return [...this.#jobs.values()].reverse();
  }

  /**
   * A job of a place; without one, of the multi-regions US and EU alone.
   * https://cloud.google.com/bigquery/docs/locations#specify_locations
   *
   * @throws GoogleError notFound
   */
  get(id: string, place: string | null): Job {
    const job = this.#jobs.get(id);
    const [there, asked] = [job?.location.toLowerCase() ?? '', place?.toLowerCase()];
    if (job && (asked === undefined ? MULTI_REGIONS.has(there) : asked === there)) return job;
    const name = place === null ? id : `${place}.${id}`;
    throw new GoogleError('NOT_FOUND', `Not found: Job ${this.#backend.catalog.project}:${name}`);
  }

  /** Starts a job of jobs.insert. @throws GoogleError duplicate for an id that exists */
  async insert(body: Json, caller: Caller, files?: string[]): Promise<Job> {
    const reference = objectOr(body.jobReference);
    const configuration = objectOr(body.configuration);
    const id = text(reference.jobId) ?? randomUUID();
    checkLabels(objectOr(configuration.labels));
    const job = this.#add(id, caller.member, text(reference.location), configuration);
    const access = new Access(caller, this.#backend.catalog.project);
    if (configuration.query && configuration.dryRun === true)
      return this.#dryRun(job, objectOr(configuration.query), access);
    const fault = this.#faultOf(configuration, caller);
    if (fault?.kind === 'job-stuck') job.done = this.#run(job, () => stuck(job));
    else if (fault?.kind === 'job-error') job.done = this.#run(job, () => failing(fault.reason));
    else if (configuration.query) {
      const streaming = fault?.table;
      job.done = this.#run(job, () => this.#query(job, objectOr(configuration.query), access, streaming));
    } else if (configuration.load)
      job.done = this.#run(job, () => this.#load(job, objectOr(configuration.load), caller, access, files));
    else {
      this.#jobs.delete(job.id);
      const kind = Object.keys(configuration).find((key) => !['labels', 'jobType', 'dryRun'].includes(key));
      throw new GoogleError(
        'UNIMPLEMENTED',
        `The sandbox has jobs of kind query and load, not ${kind ?? 'this'}.`,
      );
    }
    // The file of an upload is deleted once the call is answered, so the load has to be done by then.
    await (files && fault?.kind !== 'job-stuck' ? job.done : Promise.race([job.done, sleep(QUICK_JOB_MS)]));
    return job;
  }

  /** A dry run is over with its answer, and no job is left of it. */
  async #dryRun(job: Job, query: Json, access: Access): Promise<Job> {
    this.#jobs.delete(job.id);
    try {
      await this.#query(job, query, access, undefined);
    } catch (error) {
      throw queryFailure(error);
    }
    job.endedMillis = Date.now();
    return job;
  }

  /** What is to go wrong with a job. */
  #faultOf({ query, load }: Json, { member }: Caller): RuleOf<'job'> | undefined {
    const sql = text(objectOr(query).query) ?? '';
    const [rule] = this.#faults.hit('job', INSERT, member, (one) => {
      const kind = load === undefined ? 'query' : 'load';
      return (one.of ?? kind) === kind && sql.includes(one.sql ?? '');
    });
    return rule;
  }

  /** Interrupts a running job. A job that is done stays as it is. */
  cancel(job: Job): Job {
    if (job.endedMillis === undefined) job.interrupt?.();
    return job;
  }

  /** Interrupts every running job. */
  async close(): Promise<void> {
    const running = [...this.#jobs.values()].filter((job) => job.endedMillis === undefined);
    for (const job of running) job.interrupt?.();
    await Promise.all(running.map((job) => job.done));
  }

  #add(id: string, owner: string, location: string | undefined, configuration: Json, parent?: string): Job {
    if (!/^[A-Za-z0-9_-]{1,1024}$/.test(id)) {
      throw new GoogleError('INVALID_ARGUMENT', `Invalid job ID "${id}".`);
    }
    const { project } = this.#backend.catalog;
    const place = location ?? this.#location();
    if (this.#jobs.has(id)) {
      throw new GoogleError('ALREADY_EXISTS', `Already Exists: Job ${project}:${place}.${id}`);
    }
    const now = Date.now();
    const job: Job = {
      id,
      owner,
      location: place,
      configuration,
      labels: objectOr(configuration.labels),
      createdMillis: now,
      startedMillis: now,
      done: Promise.resolve(),
      ...(parent === undefined ? {} : { parent }),
    };
    this.#jobs.set(id, job);
    return job;
  }

  /** `work` says whether the job has to be remembered over a restart yet. */
  async #run(job: Job, work: () => Promise<boolean>): Promise<void> {
    let changes = false;
    try {
      changes = await work();
    } catch (error) {
      const failure = queryFailure(error);
      job.error = { status: failure.status, proto: failure.toProto() };
    }
    job.endedMillis = Math.max(Date.now(), job.startedMillis);
    delete job.interrupt;
    if (changes) await this.#backend.engine.use((connection) => this.#remember(job, connection));
    await this.#forgetOldResults();
  }

  /** True when the script could change something. */
  async #query(job: Job, query: Json, access: Access, streaming: string | undefined): Promise<boolean> {
    if (query.useLegacySql !== false) {
      throw invalidQuery('The sandbox has no legacy SQL: set useLegacySql to false.');
    }
    for (const key of ['destinationTable', 'tableDefinitions', 'userDefinedFunctionResources']) {
      if (query[key] !== undefined) throw invalidQuery(`The sandbox's query jobs have no ${key}.`);
    }
    const source = text(query.query) ?? '';
    if (source.length > MOST_CHARACTERS)
      throw invalidQuery(
        'The query is too large. The maximum standard SQL query length is 1024.00K characters, including comments and white space characters.',
      );
    const parameters = readParameters(query.queryParameters);
    const script = validateScript(source, this.#backend.catalog);
    if (job.configuration.dryRun === true) {
      const [first] = script.statements;
      const single = script.statements.length === 1 && first?.kind === 'sql';
      const verb = single ? at(first.tokens, 0).upper : 'SCRIPT';
      job.bytes = await bytesProcessed(this.#backend, script.statements, access);
      job.outcome = { statementType: verb === 'WITH' ? 'SELECT' : verb, steps: [] };
      return false;
    }
    const settings = {
      location: job.location,
      parameters,
      defaultDataset: text(objectOr(query.defaultDataset).datasetId),
      jobId: job.id,
      access,
      streaming,
    };
    const { result, ...outcome } = await runScript(this.#backend, settings, script, (interrupt) => {
      job.interrupt = interrupt;
    });
    job.outcome = outcome;
    if (result) job.result = result;
    if (outcome.statementType === 'SCRIPT') this.#children(job, outcome);
    if (script.changes && !script.decrypts && result && result.count <= SMALL_ROWS) {
      const { columns, count } = result;
      const { json } = await page(this.#backend.engine, resultSource(result), 0, undefined, 'int64');
      job.kept = { columns, count, json: json.toString() };
    }
    return script.changes;
  }

  #children(job: Job, outcome: Outcome): void {
    for (const [index, step] of outcome.steps.entries()) {
      const id = `script_job_${randomUUID().replaceAll('-', '')}_${index}`;
      const child = this.#add(id, job.owner, job.location, { query: {} }, job.id);
      child.startedMillis = job.startedMillis;
      child.endedMillis = Date.now();
      child.outcome = { statementType: step.statementType, steps: [step] };
    }
  }

  async #load(
    job: Job,
    configuration: Json,
    caller: Caller,
    access: Access,
    files: string[] | undefined,
  ): Promise<boolean> {
    const { engine, catalog } = this.#backend;
    admitLoad(access, catalog, configuration);
    catalog.placed(text(objectOr(configuration.destinationTable).datasetId) ?? '', job.location);
    const uris = Array.isArray(configuration.sourceUris) ? configuration.sourceUris.map(String) : [];
    for (const uri of uris) caller.require('storage.objects.get', onBucket(catalog.project, bucketOf(uri)));
    const all = files ?? (await Promise.all(uris.map((uri) => this.#objects.resolve(uri)))).flat();
    if (all.length === 0)
      throw new GoogleError('INVALID_ARGUMENT', 'Required parameter is missing: sourceUris');
    job.load = await load(engine, catalog, configuration, all, (connection, outcome) => {
      const endedMillis = Math.max(Date.now(), job.startedMillis);
      return this.#remember({ ...job, load: outcome, endedMillis }, connection);
    });
    return false;
  }

  async #remember(job: Job, connection: DuckDBConnection): Promise<void> {
    const { done: _done, result: _result, interrupt: _interrupt, configuration, ...rest } = job;
    const type = configuration.load ? { load: configuration.load } : { query: {} };
    const body = JSON.stringify({ ...rest, configuration: type });
    await connection.run(`INSERT INTO ${HOME} VALUES ($body)`, { body });
  }

  async #forgetOldResults(): Promise<void> {
    let [all, large] = [0, 0];
    for (const job of this.list()) {
      if (!job.result) continue;
      all++;
      if (job.result.count > LARGE_ROWS) large++;
      if (all <= KEPT_RESULTS && (job.result.count <= LARGE_ROWS || large <= KEPT_LARGE_RESULTS)) continue;
      const { result } = job;
      delete job.result;
      await dropResult(this.#backend.engine, result);
    }
  }
}
