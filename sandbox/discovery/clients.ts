import type { Document, Method } from './documents.ts';
import type { Schema } from './schema.ts';

/**
 * What Google's own client libraries send beyond Google's description, whatever their caller does; the services
 * ignore it. Anything else that is unknown is a mistake of ours.
 */
const SENT: Readonly<
  Record<string, { readonly query?: Method['query']; readonly properties?: Record<string, Schema> }>
> = {
  // @google-cloud/bigquery passes the options of its own paging on (job.js, getQueryResults).
  'bigquery.jobs.getQueryResults': { query: { skipParsing: { type: 'boolean' } } },
  // It leaves the location of an uploaded load job beside the table as well (table.js, _createLoadJob).
  JobConfigurationLoad: { properties: { location: { type: 'string' } } },
};

/** Parameters that a client adds to a method's own. */
export const queryOfClients = ({ id }: Method): Method['query'] => SENT[id]?.query ?? {};

/** The schemas of a document with the properties that clients add. */
export const schemasOfClients = ({ schemas }: Document): Document['schemas'] =>
  Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      const more = SENT[name]?.properties;
      return [name, more ? { ...schema, properties: { ...schema.properties, ...more } } : schema];
    }),
  );
