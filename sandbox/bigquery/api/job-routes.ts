import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { GoogleError } from '../../errors/google-error.ts';
import type { Caller } from '../../http/caller.ts';
import { BIGQUERY } from '../../http/paths.ts';
import { type Call, type Json, objectOr, Reply, type Route, readJson, text } from '../../http/router.ts';
import type { Uploads } from '../../http/upload.ts';
import { onBigQueryProject, projectName } from '../../iam/resources.ts';
import { Access } from '../access.ts';
import type { Backend } from '../duckdb/backend.ts';
import { stored, tableSql } from '../duckdb/catalog.ts';
import { rows } from '../duckdb/engine.ts';
import { readColumns } from '../script/columns.ts';
import { dml, jobFailure, jobJson, jobOfQuery, schemaJson } from './job-json.ts';
import type { Job, Jobs } from './jobs.ts';
import { page, resultSource, type TimestampFormat } from './pages.ts';

/** How long jobs.query and jobs.getQueryResults wait unless timeoutMs says otherwise. */
const TIMEOUT_MS = 10_000;

/** Jobs, queries and table data: https://cloud.google.com/bigquery/docs/reference/rest */
export function jobRoutes(backend: Backend, jobs: Jobs, uploads: Uploads): Route[] {
  const { catalog } = backend;
  const shown = (job: Job, { origin }: Call): Json => jobJson(job, catalog.project, origin);
  const requests = new Map<string, Job>();
  const may = (caller: Caller, permission: string): boolean =>
    caller.may(permission, projectName(catalog.project));
  /** A job of the caller's own, or of anybody's for whom has the permission. */
  const own = ({ caller, params, query }: Call, permission: string): Job => {
    const job = jobs.get(params.job ?? '', query.get('location'));
    if (job.owner !== caller.member) caller.require(permission, onBigQueryProject(catalog.project));
    return job;
  };
  const loaded = async ({ metadata, file }: { metadata: Json; file: string }, call: Call) =>
    shown(await jobs.insert(metadata, call.caller, [file]), call);

  return [
    {
      method: 'POST',
      path: `${BIGQUERY}/jobs`,
      handle: async (call) => shown(await jobs.insert(await readJson(call), call.caller), call),
    },
    {
      method: 'POST',
      path: '/upload/bigquery/v2/projects/{project}/jobs',
      handle: (call) => uploads.start(call, loaded),
    },
    {
      method: 'PUT',
      path: '/upload/bigquery/v2/projects/{project}/jobs',
      handle: (call) => uploads.resume(call, loaded),
    },
    {
      method: 'GET',
      path: `${BIGQUERY}/jobs`,
      handle: (call) => {
        const parent = call.query.get('parentJobId');
        const states = call.query.getAll('stateFilter').map((state) => state.toUpperCase());
        const found = jobs
          .list()
          .filter((job) => job.owner === call.caller.member || may(call.caller, 'bigquery.jobs.listAll'))
          .filter((job) => (parent === null ? job.parent === undefined : job.parent === parent))
          .filter((job) => states.length === 0 || states.includes(job.endedMillis ? 'DONE' : 'RUNNING'))
          .slice(0, Number(call.query.get('maxResults') ?? 1000));
        return { kind: 'bigquery#jobList', jobs: found.map((job) => listed(shown(job, call))) };
      },
    },
    {
      method: 'GET',
      path: `${BIGQUERY}/jobs/{job}`,
      handle: (call) => shown(own(call, 'bigquery.jobs.get'), call),
    },
    {
      method: 'POST',
      path: `${BIGQUERY}/jobs/{job}/cancel`,
      handle: (call) => ({
        kind: 'bigquery#jobCancelResponse',
        job: shown(jobs.cancel(own(call, 'bigquery.jobs.update')), call),
      }),
    },
    {
      method: 'POST',
      path: `${BIGQUERY}/queries`,
      handle: async (call) => {
        const body = await readJson(call);
        const requestId = text(body.requestId) ?? randomUUID();
        const job =
          requests.get(requestId) ??
          (await jobs.insert(jobOfQuery(body, `job_${randomUUID()}`), call.caller));
        requests.set(requestId, job);
        const format = timestamps((name) => text(objectOr(body.formatOptions)[name]));
        return results(backend, job, {
          timeoutMs: Number(body.timeoutMs ?? TIMEOUT_MS),
          start: 0,
          limit: body.maxResults === undefined ? undefined : Number(body.maxResults),
          format: objectOr(body.formatOptions).useInt64Timestamp === true ? 'int64' : format,
        });
      },
    },
    {
      method: 'GET',
      path: `${BIGQUERY}/queries/{job}`,
      handle: (call) =>
        results(backend, own(call, 'bigquery.jobs.get'), {
          timeoutMs: Number(call.query.get('timeoutMs') ?? TIMEOUT_MS),
          ...paging(call.query),
        }),
    },
    {
      method: 'GET',
      path: `${BIGQUERY}/datasets/{dataset}/tables/{table}/data`,
      handle: ({ params, query, caller }) => tableData(backend, params, query, caller),
    },
  ];
}

interface Paging {
  start: number;
  limit: number | undefined;
  format: TimestampFormat;
}

function paging(query: URLSearchParams): Paging {
  const token = query.get('pageToken');
  const first = token ? Buffer.from(token, 'base64url').toString() : (query.get('startIndex') ?? '0');
  if (!/^\d{1,15}$/.test(first)) throw new GoogleError('INVALID_ARGUMENT', 'Invalid page token.');
  const start = Number(first);
  const limit = query.get('maxResults');
  return {
    start,
    limit: limit === null ? undefined : Number(limit),
    format: timestamps((name) => query.get(`formatOptions.${name}`) ?? undefined),
  };
}

function timestamps(option: (name: string) => string | undefined): TimestampFormat {
  const format = option('timestampOutputFormat');
  if (format === 'ISO8601_STRING') return 'iso';
  return format === 'INT64' || option('useInt64Timestamp') === 'true' ? 'int64' : 'float';
}

/** A listed job has its state and error beside the status too. */
const listed = (job: Json): Json => ({ ...job, state: objectOr(job.status).state });

async function results(
  { engine, catalog }: Backend,
  job: Job,
  { timeoutMs, start, limit, format }: Paging & { timeoutMs: number },
): Promise<Json | Reply> {
  const abort = new AbortController();
  await Promise.race([
    job.done,
    sleep(timeoutMs, undefined, { signal: abort.signal }).catch(() => undefined),
  ]);
  abort.abort();
  const reference = { projectId: catalog.project, jobId: job.id, location: job.location };
  const common = { kind: 'bigquery#queryResponse', jobReference: reference };
  if (job.endedMillis === undefined) return { ...common, jobComplete: false };
  const failure = jobFailure(job);
  if (failure) throw failure;
  const done = { ...common, jobComplete: true, cacheHit: false, totalBytesProcessed: '0', ...dml(job) };
  const { result, kept } = job;
  if (result) {
    const { json, count } = await page(engine, resultSource(result), start, limit, format);
    return withRows({ ...done, schema: schemaJson(result.columns) }, json, start + count, result.count);
  }
  if (kept) {
    const { columns, count, json } = kept;
    return withRows({ ...done, schema: schemaJson(columns) }, Buffer.from(json), count, count);
  }
  if (job.outcome?.steps.some((step) => step.statementType === 'SELECT')) {
    throw new GoogleError(
      'NOT_FOUND',
      `Not found: the result of job ${job.id} (the sandbox keeps the latest)`,
    );
  }
  return { ...done, totalRows: '0' };
}

/** Puts rows that are JSON already into an answer. */
function withRows(answer: Json, json: Buffer, next: number, total: number): Reply {
  const more = next < total ? { pageToken: Buffer.from(String(next)).toString('base64url') } : {};
  const head = JSON.stringify({ ...answer, totalRows: String(total), ...more });
  if (json.length === 0) return new Reply(200, {}, head);
  return new Reply(
    200,
    {},
    Buffer.concat([Buffer.from(`${head.slice(0, -1)},"rows":[`), json, Buffer.from(']}')]),
  );
}

async function tableData(
  { engine, catalog }: Backend,
  params: Record<string, string>,
  query: URLSearchParams,
  caller: Caller,
): Promise<Reply> {
  const table = stored(catalog.table(params.dataset ?? '', params.table ?? ''), 'list rows of');
  const selected = query.get('selectedFields')?.split(',');
  const columns = table.schema.filter(({ name }) => selected?.includes(name) ?? true);
  const names = columns.map(({ name }) => name);
  readColumns(new Access(caller, catalog.project), table, names);
  const [[count] = []] = await engine.use((connection) =>
    rows(connection, `SELECT count(*) FROM ${tableSql(table)}`),
  );
  const total = Number(count);
  const { start, limit, format } = paging(query);
  const source = { table: tableSql(table), columns, total, dense: false };
  const { json, count: read } = await page(engine, source, start, limit, format);
  return withRows({ kind: 'bigquery#tableDataList' }, json, start + read, total);
}
