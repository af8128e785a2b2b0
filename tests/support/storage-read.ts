import { readFileSync } from 'node:fs';
import { v1 } from '@google-cloud/bigquery-storage';
import { credentials, Metadata } from '@grpc/grpc-js';
import { type Table, tableFromIPC } from 'apache-arrow';
import { type Answer, auth } from './harness.ts';

/** What to read: the fields of a CreateReadSession request that the tests use. */
export interface Wanted {
  table: string;
  fields?: string[];
  where?: string;
  snapshotMillis?: number;
  streams?: number;
}

/** Google's own client of the Storage Read API. */
export interface Reader {
  open(wanted: Wanted): Promise<Answer>;
  /** The messages of a stream as they came. */
  messages(stream: string, offset?: number): AsyncIterable<Answer>;
  /** All rows of a session, its streams one behind the other. */
  rows(wanted: Wanted): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

/** Credentials that are given take the place of the client's own: the token goes with them. */
function trusting(certificate: Buffer, token: string) {
  const asPrincipal = credentials.createFromMetadataGenerator((_options, answer) => {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${token}`);
    answer(null, metadata);
  });
  return credentials.combineChannelCredentials(credentials.createSsl(certificate), asPrincipal);
}

/** A client for the sandbox of an origin; it trusts that sandbox's certificate and no other. */
export async function storageReader(origin: string, project: string, token: string): Promise<Reader> {
  const answer = await fetch(`${origin}/sandbox/v1/bigquery:storage-read`);
  const { address, certificate } = (await answer.json()) as { address: string; certificate: string };
  const [host = '', port] = address.split(':');
  const client = new v1.BigQueryReadClient({
    projectId: project,
    apiEndpoint: host,
    port: Number(port),
    authClient: auth(token),
    sslCreds: trusting(readFileSync(certificate), token),
  });
  const open = async ({ table, fields, where, snapshotMillis, streams }: Wanted): Promise<Answer> => {
    const snapshotTime = {
      seconds: Math.floor((snapshotMillis ?? 0) / 1000),
      nanos: ((snapshotMillis ?? 0) % 1000) * 1_000_000,
    };
    const [session] = await client.createReadSession({
      parent: `projects/${project}`,
      readSession: {
        table: `projects/${project}/datasets/${table.replace('.', '/tables/')}`,
        dataFormat: 'ARROW',
        readOptions: { selectedFields: fields ?? [], rowRestriction: where ?? '' },
        ...(snapshotMillis === undefined ? {} : { tableModifiers: { snapshotTime } }),
      },
      maxStreamCount: streams ?? 1,
    });
    return session;
  };
  const messages = (readStream: string, offset = 0): AsyncIterable<Answer> =>
    client.readRows({ readStream, offset });
  return {
    open,
    messages,
    async rows(wanted) {
      const session = await open(wanted);
      const rows: Record<string, unknown>[] = [];
      for (const { name } of session.streams) {
        for await (const message of messages(name)) rows.push(...tableOf(session, message));
      }
      return rows;
    },
    close: () => client.close(),
  };
}

/** A message's rows as any Arrow library reads them, behind the session's schema. */
export function tableOf(session: Answer, message: Answer): Table {
  const { serializedRecordBatch } = message.arrowRecordBatch;
  return tableFromIPC([session.arrowSchema.serializedSchema, serializedRecordBatch]);
}
