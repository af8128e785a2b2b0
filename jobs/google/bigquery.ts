import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { BigQuery, Job, QueryRowsResponse } from '@google-cloud/bigquery';
import pRetry, { AbortError } from 'p-retry';
import type { Deployment } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import type { PartitionedTable } from '../contract/partitioning.ts';
import type { TableName } from '../contract/settings/table-settings.ts';
import type { Statement } from '../contract/sql/index.ts';
import { unlessAborted, within } from './bounds.ts';
import type { Endpoints } from './clients.ts';
import { bigQueryClient } from './clients.ts';
import { bigQueryFailure, googleFailure, isTransient } from './failures.ts';
import { type JsonPage, jsonPage } from './json-values.ts';
import { type Cell, Page } from './page.ts';
import { ANSWER_MS, jobStuck, STOP_MS, unanswered, waitLimits } from './wait-limits.ts';

/** What a parameter is bound to: INT64, FLOAT64 and STRING as text or number, BYTES in base64. */
export type Value = string | number | null;
/** A row of a result; its cells are texts, so that nothing is rounded. */
export type Row = Readonly<Record<string, Cell>>;

/** Rows a page: some 1.5 MB of JSON, of which a few are held at once. BigQuery's limit is 10 MB a page. */
export const PAGE_ROWS = 5_000;
/** What `query` returns at the most; larger results are for `pages`. */
const SMALL_RESULT = 100_000;
/** A job that a passing fault ended is issued again, at most so often. */
const ATTEMPTS = 6;
/** What nobody waits for any more is cancelled, and then ends so soon or not at all. */
const END_MS = 5_000;
/**
 * After an interrupt: what is under way is cancelled and may take so long to end, and so may each statement that
 * records the end. Three of them fit into the five seconds in which an interrupted run ends.
 */
const LAST_MS = 1_400;

interface RawRow {
  readonly f: readonly { readonly v: Cell }[];
}
interface PageRead<T> {
  readonly page: T;
  readonly hasRows: boolean;
  /** The token of the page behind it. */
  readonly next: string | undefined;
}
interface RawResults {
  readonly jobComplete: boolean;
  readonly rows?: readonly RawRow[];
  readonly pageToken?: string;
}

const namesOf = ([, , response]: QueryRowsResponse): string[] =>
  (response?.schema?.fields ?? []).map((field) => field.name ?? '');

const pageOf = (names: readonly string[], rows: readonly RawRow[]): Page =>
  new Page(
    names,
    rows.map((row) => row.f.map((cell) => cell.v)),
  );

/** BigQuery, as far as a run needs it. */
export interface BigQueryService {
  /**
   * Runs a statement and returns its (small) result. Every statement of jobs/contract/sql may be repeated: those that
   * change something say themselves when it has been done already. So each call is a job of its own, tried
   * again after a fault that passes. One that the service's signal finds under way is cancelled; one that is
   * issued afterwards has to come through in a moment. One that does not end within `limitMs`, or in as long as
   * BigQuery lets a job run, is cancelled: ResealError `job-stuck`. So is one that `ending` finds under way, which is
   * waited for a few seconds more: it must not come through behind what its caller does next.
   */
  query<P extends string>(
    statement: Statement<P>,
    values: Record<P, Value>,
    limitMs?: number,
    ending?: AbortSignal,
  ): Promise<Row[]>;
  /** The same for results of any size, a page at a time, until the signal is given. The first is there without rows, too. */
  pages<P extends string>(
    statement: Statement<P>,
    values: Record<P, Value>,
    signal?: AbortSignal,
  ): AsyncGenerator<Page>;
  /** The same for people and scripts: the client library makes of each cell what its type is, which takes longer. */
  jsonPages<P extends string>(statement: Statement<P>, values: Record<P, Value>): AsyncGenerator<JsonPage>;
  /**
   * Issues a statement as the job of that id and does not wait for its end; a job that has the id already is the one.
   * For a statement that must not be carried out twice. Throws the client's own error.
   */
  start<P extends string>(statement: Statement<P>, values: Record<P, Value>, jobId: string): Promise<Job>;
  /**
   * The bytes that a statement would process, by a dry run: it costs nothing and changes nothing.
   * https://cloud.google.com/bigquery/docs/running-queries#dry-run
   */
  bytes<P extends string>(statement: Statement<P>, values: Record<P, Value>): Promise<number>;
  /** What BigQuery says of a table: tables.get, which reads no row of it and costs nothing. */
  tableResource(name: TableName): Promise<TableResource>;
  /** The client itself, for load jobs. */
  readonly client: BigQuery;
}

/** The part of a table's resource that a run goes by. https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#Table */
export interface TableResource extends PartitionedTable {
  readonly schema?: { readonly fields?: readonly { readonly name?: string; readonly mode?: string }[] };
  readonly creationTime?: string;
  /** Logical bytes, which queries are billed by. */
  readonly numBytes?: string;
  readonly numRows?: string;
  readonly streamingBuffer?: { readonly estimatedRows?: string; readonly oldestEntryTime?: string };
}

/** The statement's parameters in REST form; https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter */
function queryParameters<P extends string>(statement: Statement<P>, values: Record<P, Value>) {
  return (Object.keys(statement.params) as P[]).map((name) => {
    const value = values[name];
    return {
      name,
      parameterType: { type: statement.params[name] },
      parameterValue: value === null ? {} : { value: String(value) },
    };
  });
}

export async function bigQueryService(
  deployment: Deployment,
  endpoints?: Endpoints,
  signal?: AbortSignal,
  limits = waitLimits(deployment),
): Promise<BigQueryService> {
  // A plan's dry runs all wait for it at once, and Node takes more than ten that do for a leak.
  if (signal !== undefined) setMaxListeners(0, signal);
  const client = await bigQueryClient(deployment, endpoints);
  const { location } = deployment;

  function configurationOf<P extends string>(statement: Statement<P>, values: Record<P, Value>) {
    const query = {
      query: statement.sql,
      useLegacySql: false,
      parameterMode: 'NAMED',
      ...(statement.dataset !== undefined && { defaultDataset: { datasetId: statement.dataset } }),
      queryParameters: queryParameters(statement, values),
    };
    return { query, labels: { 'reseal-step': statement.name } };
  }

  /** A name of ours for each job: one whose answer never came can be cancelled by it. */
  const newJobId = (step: string): string => `reseal_${step}_${randomUUID()}`;

  async function issue<P extends string>(
    statement: Statement<P>,
    values: Record<P, Value>,
    jobId: string,
  ): Promise<Job> {
    const configuration = configurationOf(statement, values);
    try {
      const [job] = await client.createJob({ configuration, location, jobId });
      return job;
    } catch (error) {
      // The client has asked again where the first answer was lost.
      if (googleFailure(error).status === 'ALREADY_EXISTS') return client.job(jobId, { location });
      throw error;
    }
  }

  /** Asks for the job's end, and waits neither for it nor for the answer. */
  const cancel = (jobId: string): void => {
    client
      .job(jobId, { location })
      .cancel()
      .catch(() => {});
  };

  async function bytes<P extends string>(statement: Statement<P>, values: Record<P, Value>): Promise<number> {
    try {
      const configuration = { ...configurationOf(statement, values), dryRun: true };
      const issued = client.createJob({ configuration, location });
      const [job] = await unlessAborted(within(ANSWER_MS, issued, unanswered), signal);
      return Number(job.metadata?.statistics?.totalBytesProcessed);
    } catch (error) {
      throw signal?.aborted ? signal.reason : bigQueryFailure(statement.name, error);
    }
  }

  const pageOptions = { autoPaginate: false, skipParsing: true };

  /** Waits for the job's end and throws what it failed with; an answer before the end says so and has no rows. */
  async function ended(job: Job, maxResults: number): Promise<QueryRowsResponse> {
    const answer = await job.getQueryResults({ ...pageOptions, maxResults });
    return answer[2]?.jobComplete === false ? ended(job, maxResults) : answer;
  }

  /**
   * A page as it came. Asked for with the client's own authorisation but not through its methods, which copy
   * every cell of an answer once more.
   * https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults
   */
  async function page(job: Job, pageToken: string | undefined, ending?: AbortSignal): Promise<RawResults> {
    const url = `${client.baseUrl}/projects/${deployment.project}/queries/${job.id}`;
    const params = { location, maxResults: PAGE_ROWS, ...(pageToken === undefined ? {} : { pageToken }) };
    const request = { url, params, retry: true, ...(ending === undefined ? {} : { signal: ending }) };
    const asked = within(ANSWER_MS, client.authClient.request<RawResults>(request), unanswered);
    const { data } = await unlessAborted(asked, ending);
    return data.jobComplete ? data : page(job, pageToken, ending);
  }

  /** Issues the statement, waits for its end and hands out what `read` gets of each page; the first without rows, too. */
  async function* inPages<P extends string, T>(
    statement: Statement<P>,
    values: Record<P, Value>,
    read: (job: Job, names: readonly string[], pageToken: string | undefined) => Promise<PageRead<T>>,
    ending?: AbortSignal,
  ): AsyncGenerator<T> {
    const id = newJobId(statement.name);
    const stuck = jobStuck(deployment, statement.name, id, limits.jobMs);
    const work = async (): Promise<[Job, QueryRowsResponse]> => {
      const job = await issue(statement, values, id);
      return [job, await ended(job, 0)];
    };
    try {
      const [job, answer] = await unlessAborted(
        within(limits.jobMs, work(), () => stuck),
        ending,
      );
      const names = namesOf(answer);
      let isFirst = true;
      let pageToken: string | undefined;
      do {
        const { page: one, hasRows, next } = await read(job, names, pageToken);
        pageToken = next;
        if (hasRows || isFirst) yield one;
        isFirst = false;
      } while (pageToken !== undefined);
    } catch (error) {
      // Nobody waits for the rows any more; what is not cancelled ends by itself and changes nothing.
      if (ending?.aborted || error === stuck) cancel(id);
      throw ending?.aborted ? ending.reason : bigQueryFailure(statement.name, error);
    }
  }

  const pages = <P extends string>(
    statement: Statement<P>,
    values: Record<P, Value>,
    ending?: AbortSignal,
  ): AsyncGenerator<Page> =>
    inPages(
      statement,
      values,
      async (job, names, pageToken) => {
        const results = await page(job, pageToken, ending);
        return {
          page: pageOf(names, results.rows ?? []),
          hasRows: results.rows !== undefined,
          next: results.pageToken,
        };
      },
      ending,
    );

  const jsonPages = <P extends string>(
    statement: Statement<P>,
    values: Record<P, Value>,
  ): AsyncGenerator<JsonPage> =>
    inPages(statement, values, async (job, names, pageToken) => {
      const { rows, pageToken: next } = await within(
        ANSWER_MS,
        jsonPage(job, PAGE_ROWS, pageToken),
        unanswered,
      );
      return { page: { names, rows }, hasRows: rows.length > 0, next };
    });

  /** Issues the statement and waits for its end, which the signal and the limit bring about early. */
  async function result<P extends string>(
    statement: Statement<P>,
    values: Record<P, Value>,
    limitMs: number,
    ending?: AbortSignal,
  ): Promise<QueryRowsResponse> {
    const late = () =>
      new ResealError('bigquery-late', `BigQuery did not end step ${statement.name} in ${LAST_MS} ms`, {
        hint: '`npm run reseal -- history` shows what became of the run',
      });
    const id = newJobId(statement.name);
    const work = issue(statement, values, id).then((job) => ended(job, SMALL_RESULT));
    if (signal?.aborted) return within(LAST_MS, work, late);
    const stuck = jobStuck(deployment, statement.name, id, limitMs);
    const inTime = within(limitMs, work, () => stuck);
    try {
      return await unlessAborted(unlessAborted(inTime, signal), ending);
    } catch (error) {
      if (!signal?.aborted && !ending?.aborted && error !== stuck) throw error;
      cancel(id);
      if (ending?.aborted && !signal?.aborted)
        return unlessAborted(
          within(END_MS, work, () => ending.reason),
          signal,
        );
      // It may have ended well in the meantime: a merge that was committed is one.
      if (signal?.aborted) return within(LAST_MS, work, late);
      const stopped = within(STOP_MS, work, () => stuck);
      return await unlessAborted(stopped, signal).catch(() => {
        throw stuck;
      });
    }
  }

  async function query<P extends string>(
    statement: Statement<P>,
    values: Record<P, Value>,
    limitMs: number,
    ending?: AbortSignal,
  ): Promise<Row[]> {
    try {
      const answer = await result(statement, values, limitMs, ending);
      return pageOf(namesOf(answer), answer[0] as unknown as RawRow[]).rows();
    } catch (error) {
      const failure = bigQueryFailure(statement.name, error);
      throw isTransient(error) ? failure : new AbortError(failure);
    }
  }

  async function retried<P extends string>(
    statement: Statement<P>,
    values: Record<P, Value>,
    limitMs: number = limits.jobMs,
    ending?: AbortSignal,
  ): Promise<Row[]> {
    let rows: Row[] | undefined;
    const limit = Math.min(limitMs, limits.jobMs);
    const once = async (): Promise<void> => {
      rows = await query(statement, values, limit, ending);
    };
    // Waits between tries end with a signal, but what has ended well by then counts.
    const given = [signal?.aborted ? undefined : signal, ending].filter((one) => one !== undefined);
    const until = given.length === 0 ? {} : { signal: AbortSignal.any(given) };
    const patience = { retries: ATTEMPTS - 1, minTimeout: 500, randomize: true, ...until };
    await pRetry(once, patience).catch((error: unknown) => {
      if (rows === undefined) throw error;
    });
    return rows ?? [];
  }

  async function tableResource(name: TableName): Promise<TableResource> {
    const { dataset, tables } = deployment;
    const table = client.dataset(dataset).table(tables[name]);
    try {
      const asked = within(ANSWER_MS, table.getMetadata(), unanswered);
      const [resource] = await unlessAborted(asked, signal);
      return resource as TableResource;
    } catch (error) {
      throw signal?.aborted ? signal.reason : bigQueryFailure('table', error);
    }
  }

  return { client, pages, jsonPages, query: retried, start: issue, bytes, tableResource };
}
