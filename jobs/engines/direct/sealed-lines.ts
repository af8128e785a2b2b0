import { Readable } from 'node:stream';
import type { Deployment } from '../../contract/deployment.ts';
import { patternsOf } from '../../contract/fields.ts';
import type { Page } from '../../google/page.ts';
import type { SourcePage } from './seal-page.ts';
import type { SealingThreads } from './threads.ts';

/** What pages of values are sealed with. */
export interface Sealing {
  readonly deployment: Deployment;
  readonly runId: string;
  /** What the rows carry. */
  readonly attempt: string;
  /** A page's values with their data keys. */
  readonly source: (page: Page) => Promise<SourcePage>;
  /** The first-level keyset, serialised. */
  readonly keyset: () => Promise<Uint8Array>;
  readonly threads: SealingThreads;
  /** Hears how many rows are sealed so far. */
  readonly progress: (rows: number) => void;
}

/** The lines of the load job, page by page: source page, its data keys, a thread that seals. */
export async function* sealedLines(
  pages: AsyncIterable<Page>,
  { deployment, runId, attempt, source, keyset, threads, progress }: Sealing,
): AsyncGenerator<Uint8Array> {
  const { sourceFormat, unauthenticated, keying, storePlaintext } = deployment;
  const valuePatterns = patternsOf(deployment.fields);
  const setup = { runId, attempt, sourceFormat, unauthenticated, valuePatterns, keying, storePlaintext };
  const sealed = Readable.from(pages).map(
    async (page: Page) => {
      const lines = await threads.seal({ ...setup, keyset: await keyset() }, await source(page));
      return { rows: page.length, lines };
    },
    { concurrency: threads.width },
  ) as AsyncIterable<{ rows: number; lines: Uint8Array }>;
  let rows = 0;
  for await (const { rows: more, lines } of sealed) {
    rows += more;
    progress(rows);
    yield lines;
  }
}
