import { once } from 'node:events';
import type { DuckDBDataChunk } from '@duckdb/node-api';
import bigquery from '@google-cloud/bigquery-storage/build/protos/protos.js';
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { GoogleError } from '../../errors/google-error.ts';
import { underRules } from '../../faults/calls.ts';
import type { Faults } from '../../faults/plane.ts';
import type { Caller } from '../../http/caller.ts';
import { authorizationIn } from '../../http/grpc/authorization.ts';
import { type Failure, failure } from '../../http/grpc/failures.ts';
import { bytesOf, type Message, strictly } from '../../http/grpc/messages.ts';
import { Broken, type Json } from '../../http/router.ts';
import { onBigQueryProject, onTable } from '../../iam/resources.ts';
import type { RequestLog } from '../../state/request-log.ts';
import { Access } from '../access.ts';
import type { Backend } from '../duckdb/backend.ts';
import { bound } from '../duckdb/engine.ts';
import { queryFailure } from '../duckdb/failures.ts';
import { type Certificate, certificate } from './certificate.ts';
import { ReadSessions } from './sessions.ts';

const v1 = bigquery.google.cloud.bigquery.storage.v1;
type CreateRequest = bigquery.google.cloud.bigquery.storage.v1.ICreateReadSessionRequest;
type Session = bigquery.google.cloud.bigquery.storage.v1.IReadSession;
type ReadRequest = bigquery.google.cloud.bigquery.storage.v1.IReadRowsRequest;
type ReadResponse = bigquery.google.cloud.bigquery.storage.v1.IReadRowsResponse;

/** The Storage Read API of a sandbox, listening. */
export interface StorageRead {
  /** Host and port, as gRPC clients take it. */
  readonly address: string;
  readonly certificate: Certificate;
  close(): Promise<void>;
}

/** A method of the service by the classes of its messages. */
function method<In extends object, Out extends object>(
  name: string,
  request: Message<In>,
  response: Message<Out>,
  responseStream: boolean,
): MethodDefinition<In, Out> {
  return {
    path: `/google.cloud.bigquery.storage.v1.BigQueryRead/${name}`,
    requestStream: false,
    responseStream,
    requestSerialize: (message) => bytesOf(request, message),
    requestDeserialize: (bytes) => strictly(request, bytes),
    responseSerialize: (message) => bytesOf(response, message),
    responseDeserialize: (bytes) => response.decode(bytes),
  };
}

/** https://cloud.google.com/bigquery/docs/reference/storage/rpc/google.cloud.bigquery.storage.v1#bigqueryread */
const SERVICE = {
  createReadSession: method<CreateRequest, Session>(
    'CreateReadSession',
    v1.CreateReadSessionRequest,
    v1.ReadSession,
    false,
  ),
  readRows: method<ReadRequest, ReadResponse>('ReadRows', v1.ReadRowsRequest, v1.ReadRowsResponse, true),
};

/** Rows go out in messages of about this many, so that a table of any size passes through little memory. */
const ROWS_A_MESSAGE = 16_384;

/** Serves the Storage Read API on loopback, gRPC over TLS. */
export async function serveStorageRead(
  backend: Backend,
  state: string,
  callerOf: (authorization: string | undefined) => Caller,
  faults: Faults,
  log: RequestLog,
): Promise<StorageRead> {
  const sessions = new ReadSessions(backend);
  /** A method's work under the rules of faults; a broken connection is what gRPC's clients take for unavailable. */
  const carriedOut = async <T>(
    caller: Caller,
    method: string,
    resource: string,
    work: () => Promise<T>,
  ): Promise<T> => {
    const denied = () => new GoogleError('PERMISSION_DENIED', 'The caller does not have permission');
    const passing = { service: 'bigquerystorage', method, member: caller.member, denied } as const;
    const answer = await log.logged({ ...passing, resource }, () => underRules(faults, passing, work));
    if (answer instanceof Broken) throw new GoogleError('UNAVAILABLE', 'Connection closed.');
    return answer;
  };
  const createReadSession: handleUnaryCall<CreateRequest, Session> = (call, callback) => {
    Promise.resolve(call.metadata)
      .then((metadata) => {
        const caller = callerOf(authorizationIn(metadata));
        admit(caller, backend.catalog.project, call.request);
        const access = new Access(caller, backend.catalog.project);
        const table = call.request.readSession?.table ?? '';
        return carriedOut(caller, 'CreateReadSession', table, () => sessions.create(call.request, access));
      })
      .then(
        (session) => callback(null, session),
        (error) => callback(failureOf(error)),
      );
  };
  const readRows: handleServerStreamingCall<ReadRequest, ReadResponse> = (call) => {
    Promise.resolve(call.metadata)
      .then((metadata) => {
        const caller = callerOf(authorizationIn(metadata));
        caller.require('bigquery.readsessions.getData', onBigQueryProject(backend.catalog.project));
        const { readStream } = call.request;
        return carriedOut(caller, 'ReadRows', readStream ?? '', () => sendRows(backend, sessions, call));
      })
      .then(
        () => call.end(),
        (error) => call.emit('error', failureOf(error)),
      );
  };
  const own = await certificate(state);
  const keys = [{ private_key: Buffer.from(own.key), cert_chain: Buffer.from(own.cert) }];
  const server = new Server();
  server.addService(SERVICE, { createReadSession, readRows });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, keys), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    address: `localhost:${port}`,
    certificate: own,
    close: async () => server.forceShutdown(),
  };
}

/** https://cloud.google.com/bigquery/docs/reference/storage#permissions */
function admit(caller: Caller, project: string, { readSession }: CreateRequest): void {
  const [, dataset = '', table = ''] =
    /\/datasets\/([^/]+)\/tables\/([^/]+)$/.exec(readSession?.table ?? '') ?? [];
  caller.require('bigquery.readsessions.create', onBigQueryProject(project));
  caller.require('bigquery.tables.getData', onTable(project, dataset, table));
}

async function sendRows(
  { engine }: Backend,
  sessions: ReadSessions,
  call: ServerWritableStream<ReadRequest, ReadResponse>,
): Promise<void> {
  const { readStream, offset } = call.request;
  const { columns, sql, values } = sessions.read(readStream ?? '', Number(offset ?? 0));
  await engine.use(async (connection) => {
    const result = await connection.stream(sql, bound(values));
    let chunks: DuckDBDataChunk[] = [];
    let count = 0;
    const send = async (): Promise<void> => {
      if (count === 0) return;
      const arrowRecordBatch = { serializedRecordBatch: columns.batch(chunks), rowCount: count };
      const more = call.write({ arrowRecordBatch, rowCount: count });
      [chunks, count] = [[], 0];
      // A slow client is waited for, so that no rows pile up in memory.
      if (!more && !call.cancelled) await taken(call);
    };
    while (!call.cancelled) {
      const chunk = await result.fetchChunk();
      if (!chunk || chunk.rowCount === 0) break;
      chunks.push(chunk);
      count += chunk.rowCount;
      if (count >= ROWS_A_MESSAGE) await send();
    }
    await send();
  });
}

/** Waits until the client has taken what was written, or has gone. */
async function taken(call: ServerWritableStream<ReadRequest, ReadResponse>): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  try {
    await Promise.race([once(call, 'drain', { signal }), once(call, 'cancelled', { signal })]);
  } finally {
    over.abort();
  }
}

/** An error as gRPC carries it. */
function failureOf(error: unknown): Failure {
  const known = error instanceof GoogleError ? error : queryFailure(error);
  return failure((known.toJSON() as { error: Json }).error);
}
