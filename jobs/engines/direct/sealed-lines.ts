import { Readable } from 'node:stream';
import { algorithmOf } from '../../contract/algorithms.ts';
import type { Deployment } from '../../contract/deployment.ts';
import { ResealError } from '../../contract/errors.ts';
import { patternsOf } from '../../contract/fields.ts';
import { Rejection } from '../../contract/reasons.ts';
import { parseKeyset } from '../../envelope/keysets.ts';
import { firstLevel } from '../../envelope/sealing.ts';
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

/**
 * The lines of the load job, page by page: source page, its data keys, a thread that seals. Throws ResealError
 * `keyset-type`.
 */
export async function* sealedLines(
  pages: AsyncIterable<Page>,
  { deployment, runId, attempt, source, keyset, threads, progress }: Sealing,
): AsyncGenerator<Uint8Array> {
  const { sourceFormat, unauthenticated, keying, storePlaintext } = deployment;
  const valuePatterns = patternsOf(deployment.fields);
  const setup = { runId, attempt, sourceFormat, unauthenticated, valuePatterns, keying, storePlaintext };
  let fitting: Promise<Uint8Array> | undefined;
  const sealed = Readable.from(pages).map(
    async (page: Page) => {
      fitting ??= keyset().then((bytes) => fittingKeyset(deployment, bytes));
      const lines = await threads.seal({ ...setup, keyset: await fitting }, await source(page));
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

/** The keyset, once it is known to seal in the stack's keying: a wrong one says nothing about a value. */
function fittingKeyset({ keying }: Deployment, bytes: Uint8Array): Uint8Array {
  try {
    firstLevel(keying, parseKeyset(bytes));
    return bytes;
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    throw new ResealError('keyset-type', `the first-level keyset does not seal in ${keying} keying`, {
      hint: `it has to be of the type ${algorithmOf(keying)}: start a new run, which takes the newest one of that type`,
      cause: error,
    });
  }
}
