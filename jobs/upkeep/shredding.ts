import type { Deployment } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import type { RunContext } from '../run/context.ts';
import { newestChains } from '../run/keyset.ts';

/** Ids that one statement names: 10,000 of a hundred bytes are 1 MB of the 10 MB that a request may have. */
const CHUNK = 10_000;

/** Which values to shred. */
export interface Shredding {
  /** Ids of the source table as text, none twice. */
  readonly ids: readonly string[];
  /** One of the stack's fields; null for all of them. */
  readonly field: string | null;
  /** Clear the source columns as well. */
  readonly clearSource: boolean;
}

export interface Shredded {
  readonly ids: number;
  /** Values of these ids: one an id and field. */
  readonly values: number;
  /** Values that something still opens or shows; never other than 0. */
  readonly readable: number;
  /** Sealed values of these ids that runs have staged. */
  readonly staged: number;
  readonly source: 'kept' | 'cleared';
  /** Values of these ids that the source columns still hold. */
  readonly sources: number;
}

const chunks = (ids: readonly string[]): string[][] =>
  Array.from({ length: Math.ceil(ids.length / CHUNK) }, (_, at) => ids.slice(at * CHUNK, (at + 1) * CHUNK));

/**
 * Sees to it that every id is in the source table before anything is shredded: a mistyped one must not look done.
 * Throws ResealError `shred-unknown`, or `shred-field` for a field that the stack does not have.
 */
export async function checkShredding(
  { deployment, bigquery, sql }: RunContext,
  { ids, field }: Shredding,
): Promise<void> {
  checkField(deployment, field);
  const known = new Set<string | null>();
  for (const chunk of chunks(ids))
    for (const { id = null } of await bigquery.query(sql.knownIds, { ids: JSON.stringify(chunk) }))
      known.add(id);
  const unknown = ids.filter((id) => !known.has(id));
  if (unknown.length === 0) return;
  const shown = unknown.slice(0, 5).join(', ');
  throw new ResealError(
    'shred-unknown',
    `${deployment.dataset}.${deployment.tables.source} has no row of ${unknown.length} of ${ids.length} ids: ${shown}${unknown.length > 5 ? ', …' : ''}`,
    { hint: 'nothing was shredded; leave these ids out' },
  );
}

function checkField({ fields }: Deployment, field: string | null): void {
  const names = fields.map(({ name }) => name);
  if (field === null || names.includes(field)) return;
  throw new ResealError('shred-field', `the stack has no field ${field}`, {
    hint: `its fields are ${names.join(', ')}`,
  });
}

/** How to go on with a shredding that was interrupted. */
export const shredAgain = ({ dataset, tables }: Deployment): string =>
  `${dataset}.${tables.shredded} has an entry for each value that is shredded; the same command again shreds what is left, and proves that nothing opens any more`;

/** Ids of the statements that were issued, and of those that have come through. */
interface Progress {
  issued: number;
  done: number;
}

/**
 * Shreds values and proves by reading them that nothing opens any more. Values that are shredded already stay so;
 * each transaction takes up to 10,000 ids, so an interruption leaves whole ones.
 *
 * @throws ResealError `shred-readable`, `cancelled` by the context's signal: how many rows are shredded, or may be
 */
export async function shred(context: RunContext, shredding: Shredding): Promise<Shredded> {
  const progress = { issued: 0, done: 0 };
  try {
    return await shredAll(context, shredding, progress);
  } catch (error) {
    throw context.signal.aborted ? interrupted(context, shredding, progress, error) : error;
  }
}

function interrupted(
  { deployment }: RunContext,
  { ids }: Shredding,
  { issued, done }: Progress,
  cause: unknown,
): ResealError {
  if (issued === 0) return new ResealError('cancelled', 'cancelled; nothing was shredded', { cause });
  const open = issued - done;
  const said =
    done === 0
      ? `${open} of ${ids.length} rows may be shredded`
      : `${done} of ${ids.length} rows are shredded${open === 0 ? '' : `, ${open} more may be`}`;
  return new ResealError('cancelled', `cancelled; ${said}`, { hint: shredAgain(deployment), cause });
}

async function shredAll(context: RunContext, shredding: Shredding, progress: Progress): Promise<Shredded> {
  const { bigquery, sql, signal } = context;
  const source = shredding.clearSource ? 'cleared' : 'kept';
  const field = shredding.field ?? '';
  const chains = await newestChains(context);
  let [values, readable, staged, sources] = [0, 0, 0, 0];
  for (const chunk of chunks(shredding.ids)) {
    const { length } = chunk;
    const ids = JSON.stringify(chunk);
    signal.throwIfAborted();
    progress.issued += length;
    await bigquery.query(sql.shred, { ids, field, source });
    progress.done += length;
    // What is left of the time goes into saying so.
    signal.throwIfAborted();
    // Before the first run there is no keyset, and nothing that it could open.
    if (chains !== null) {
      const [proof] = await bigquery.query(sql.proveShredded, { ids, field, ...chains });
      values += Number(proof?.checked);
      readable += Number(proof?.readable);
    }
    const [left] = await bigquery.query(sql.stagedOf, { ids, field });
    staged += Number(left?.n);
    // They may have been cleared before.
    const [held] = shredding.clearSource ? [] : await bigquery.query(sql.sourcesOf, { ids, field });
    sources += Number(held?.n ?? 0);
  }
  if (readable > 0)
    throw new ResealError('shred-readable', `${readable} of ${values} values still open after shredding`, {
      hint: 'a run may have merged meanwhile: shred them again',
    });
  return { ids: shredding.ids.length, values, readable, staged, source, sources };
}
