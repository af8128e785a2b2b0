import { GoogleError } from '../../errors/google-error.ts';
import { type Json, objectOr } from '../../http/router.ts';
import { restType } from '../duckdb/types.ts';
import type { Changes } from '../script/dml-target.ts';
import type { Job } from './jobs.ts';

/** A job as REST has it: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job */
export function jobJson(job: Job, project: string, origin: string): Json {
  const { id, location, error, endedMillis } = job;
  return {
    kind: 'bigquery#job',
    id: `${project}:${location}.${id}`,
    selfLink: `${origin}/bigquery/v2/projects/${project}/jobs/${id}?location=${location}`,
    jobReference: { projectId: project, jobId: id, location },
    user_email: 'sandbox@localhost',
    configuration: {
      jobType: job.configuration.load ? 'LOAD' : 'QUERY',
      ...job.configuration,
      labels: job.labels,
    },
    status: {
      state: endedMillis === undefined ? 'RUNNING' : 'DONE',
      ...(error ? { errorResult: error.proto, errors: [error.proto] } : {}),
    },
    statistics: statistics(job),
  };
}

/** int64 statistics are decimal strings. */
function statistics(job: Job): Json {
  const { outcome, load, endedMillis } = job;
  return {
    creationTime: String(job.createdMillis),
    startTime: String(job.startedMillis),
    ...(endedMillis === undefined ? {} : { endTime: String(endedMillis) }),
    ...(job.parent === undefined ? {} : { parentJobId: job.parent }),
    totalBytesProcessed: String(job.bytes ?? 0),
    ...(outcome
      ? {
          query: {
            statementType: outcome.statementType,
            totalBytesProcessed: String(job.bytes ?? 0),
            totalBytesBilled: '0',
            cacheHit: false,
            ...dml(job),
          },
        }
      : {}),
    ...(outcome?.statementType === 'SCRIPT' ? { numChildJobs: String(outcome.steps.length) } : {}),
    ...(load
      ? {
          load: {
            inputFiles: String(load.inputFiles),
            inputFileBytes: String(load.inputFileBytes),
            outputRows: String(load.outputRows),
            outputBytes: String(load.inputFileBytes),
            badRecords: '0',
          },
        }
      : {}),
  };
}

/** Counts of a single DML statement; a script's are its children's. */
export function dml({ outcome }: Job): Json {
  const changes = outcome && outcome.statementType !== 'SCRIPT' ? outcome.steps[0]?.changes : undefined;
  return changes ? dmlJson(changes) : {};
}

function dmlJson({ inserted, updated, deleted }: Changes): Json {
  return {
    numDmlAffectedRows: String(inserted + updated + deleted),
    dmlStats: {
      insertedRowCount: String(inserted),
      updatedRowCount: String(updated),
      deletedRowCount: String(deleted),
    },
  };
}

/** The schema of a result. */
export function schemaJson(columns: readonly { name: string; duckdb: string }[]): Json {
  return { fields: columns.map(({ name, duckdb }) => ({ name, ...restType(duckdb) })) };
}

/** The HTTP error that jobs.query and jobs.getQueryResults answer with for a failed job. */
export function jobFailure({ error }: Job): GoogleError | undefined {
  if (!error) return undefined;
  const { reason, message, location } = error.proto;
  return new GoogleError(error.status, message, { reason, ...(location ? { location } : {}) });
}

/** The job of a jobs.query body. */
export function jobOfQuery(body: Json, jobId: string): Json {
  const { query, queryParameters, parameterMode, useLegacySql, defaultDataset, location, labels, dryRun } =
    body;
  return {
    jobReference: { jobId, ...(location === undefined ? {} : { location }) },
    configuration: {
      ...(labels === undefined ? {} : { labels: objectOr(labels) }),
      ...(dryRun === undefined ? {} : { dryRun }),
      query: {
        query,
        useLegacySql,
        ...(queryParameters === undefined ? {} : { queryParameters, parameterMode }),
        ...(defaultDataset === undefined ? {} : { defaultDataset }),
      },
    },
  };
}
