import { randomUUID } from 'node:crypto';
import type { Deployment } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import { statements } from '../contract/sql/index.ts';
import { load } from '../engines/load.ts';
import { type SourceKey, sourceKey } from '../envelope/source-keys.ts';
import { bigQueryService } from '../google/bigquery.ts';
import { unlessAborted } from '../google/bounds.ts';
import { kmsClient } from '../google/clients.ts';
import { wrapKey } from '../google/wrap-key.ts';
import { sampleIds } from '../setup/sample-ids.ts';
import type { Interrupt, Told } from './interrupt.ts';
import { onTarget } from './on-target.ts';
import type { Target } from './target.ts';

export interface SampleOptions {
  readonly stack?: string;
  readonly state: string;
  readonly rows: number;
  readonly append?: boolean;
  readonly json?: boolean;
}

/** An application uses a data key for many values; so many are wrapped, by a call each. */
const DATA_KEYS = 12;

/** Writes made-up users into a stack's source table, as an application would leave them. */
export async function sample(options: SampleOptions): Promise<void> {
  await onTarget(options, async (target, interrupt) => {
    const written = await writeSample(target, options, interrupt);
    const { source } = target.deployment.tables;
    if (options.json) process.stdout.write(`${JSON.stringify(written)}\n`);
    else
      process.stdout.write(
        `${written.rows} made-up users under ${written.data_keys} data keys are in ${source}\n`,
      );
  });
}

const UNINTERRUPTED = { signal: new AbortController().signal, begun: () => {} };

interface Wrapped {
  readonly key: SourceKey;
  readonly wrapped: Buffer;
}

/**
 * Makes the data keys, has the stack's own source key wrap them, and loads the users in one job.
 *
 * @throws ResealError `sample-rows` for a table with rows, unless they are to be added, and for one without room for more
 */
export async function writeSample(
  { deployment, endpoints }: Pick<Target, 'deployment' | 'endpoints'>,
  { rows, append = false }: Pick<SampleOptions, 'rows' | 'append'>,
  { signal, begun }: Pick<Interrupt, 'signal' | 'begun'> = UNINTERRUPTED,
): Promise<{ rows: number; data_keys: number }> {
  const bigquery = await bigQueryService(deployment, endpoints, signal);
  const [found] = await bigquery.query(statements(deployment).sourceRows, {});
  if (Number(found?.n) > 0 && !append)
    throw new ResealError('sample-rows', `${deployment.tables.source} has ${found?.n} rows already`, {
      hint: 'made-up users are for an empty table; --append adds them behind its highest id',
    });
  const ids = sampleIds(deployment.idType, { first: found?.first ?? null, last: found?.last ?? null }, rows);
  const keys = await unlessAborted(wrappedKeys(deployment, endpoints), signal);
  const users = lines(deployment, keys, ids);
  const job = `reseal_sample_${randomUUID()}`;
  const maybe = loadTold(deployment, job, rows, append);
  begun(maybe, maybe);
  await load(bigquery.client, deployment, job, users, signal, undefined, 'source');
  return { rows, data_keys: keys.length };
}

/** What to say where nobody knows whether the load job has come through. */
function loadTold(d: Deployment, job: string, rows: number, append: boolean): Told {
  const again = 'the same command again writes them, or says `sample-rows` where they are there';
  const look = `\`bq show -j ${d.project}:${d.location}.${job}\` says what became of their job; where there is none, nothing was written`;
  return {
    message: `cancelled; ${rows} made-up users may be in ${d.tables.source}`,
    hint: append ? look : again,
  };
}

async function wrappedKeys(deployment: Deployment, endpoints: Target['endpoints']): Promise<Wrapped[]> {
  const client = await kmsClient(endpoints);
  try {
    const wrap = async (): Promise<Wrapped> => {
      const key = sourceKey(deployment.sourceFormat);
      return { key, wrapped: await wrapKey(client, deployment.sourceKek, key.unwrapped) };
    };
    return await Promise.all(Array.from({ length: DATA_KEYS }, wrap));
  } finally {
    await client.close();
  }
}

/** Lines of JSON, id after id; the values are of the domain that is reserved for examples (RFC 2606). */
async function* lines(
  { idColumn, fields }: Deployment,
  keys: readonly Wrapped[],
  ids: readonly string[],
): AsyncGenerator<Uint8Array> {
  for (const [at, id] of ids.entries()) {
    const { key, wrapped } = keys[at % keys.length] as Wrapped;
    const row: Record<string, string> = { [idColumn]: id };
    for (const { name, cipherText, dek } of fields) {
      row[cipherText] = key.encrypt(wrapped, `${name}-${id.replaceAll(/[^\w-]/g, '-')}@example.com`);
      row[dek] = key.dek(wrapped);
    }
    yield Buffer.from(`${JSON.stringify(row)}\n`);
  }
}
