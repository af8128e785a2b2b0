import { Readable } from 'node:stream';
import type { Deployment } from '../../contract/deployment.ts';
import { statements } from '../../contract/sql/index.ts';
import type { Page, WarehouseClient } from '../../google/bigquery.ts';
import type { Endpoints } from '../../google/clients.ts';
import type { Engine, StageProgress } from '../engine.ts';
import { load, newLoad } from './load.ts';
import { withKeys } from './page-keys.ts';
import { type Sealing, sealing } from './unwrapping.ts';

/**
 * The engine in this process: reads in pages, unwraps each data key once, seals in worker threads and streams
 * the result into one load job. Memory holds the pages under way, whatever the size of the table.
 */
export function directEngine(
  deployment: Deployment,
  warehouse: WarehouseClient,
  endpoints?: Endpoints,
): Engine {
  return {
    name: 'direct',
    batchId: () => null,
    async stage(input, progress, signal) {
      const outcome = { batchId: null, milliDcuSeconds: null };
      const job = await newLoad(warehouse.client, deployment, input.runId);
      // What an earlier try staged, it also unwrapped: how often KMS was asked is not known any more.
      if (job === null) return { kmsCalls: null, ...outcome };
      const selection = {
        mode: input.mode,
        snapshot_millis: input.snapshotMillis,
        id_cutoff: input.idCutoff,
      };
      const seals = sealing(deployment, input, endpoints);
      try {
        const pages = warehouse.pages(statements(deployment).values, selection);
        await load(job, sealedLines(pages, deployment, seals, progress), signal);
        return { kmsCalls: await seals.kmsCalls(), ...outcome };
      } finally {
        await seals.close();
      }
    },
  };
}

async function* sealedLines(
  pages: AsyncIterable<Page>,
  deployment: Deployment,
  seals: Sealing,
  progress: (now: StageProgress) => void,
): AsyncGenerator<Uint8Array> {
  let rows = 0;
  const sealed = Readable.from(pages).map(
    async (page: Page) => ({
      rows: page.length,
      lines: await seals.seal(await withKeys(page, deployment, seals)),
    }),
    { concurrency: seals.width },
  );
  for await (const { rows: more, lines } of sealed as AsyncIterable<{ rows: number; lines: Uint8Array }>) {
    rows += more;
    progress({ rows, deks: await seals.kmsCalls() });
    yield lines;
  }
}
