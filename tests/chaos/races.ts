import { isDeepStrictEqual } from 'node:util';
import { ResealError } from '../../jobs/contract/errors.ts';
import { dice } from '../../sandbox/faults/dice.ts';
import { Application } from '../support/application.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** Runs that meet each other, and an application that goes on writing. */
export interface Race {
  readonly rows: number;
  readonly runs: number;
  /** How many runs at once. */
  readonly together: number;
  /** Whether an application changes, erases, deletes and inserts meanwhile. */
  readonly writer: boolean;
  readonly seed: number;
}

export interface RaceOutcome {
  readonly writes: number;
  /** How the runs ended: `succeeded` or an error, and how often. */
  readonly ends: Readonly<Record<string, number>>;
  readonly wrong: string[];
}

/** What the application last wrote of a row; `text` is null where it erased the value. */
interface Written {
  readonly text: string | null;
  readonly cipher: string | null;
  readonly dek: string;
}

/** A second field makes the columns of the first one nullable, as an application's own table may have them. */
const FIELDS = JSON.stringify([{ name: 'email' }, { name: 'phone', dek: 'dek' }]);

export async function race({ rows, runs, together, writer, seed }: Race): Promise<RaceOutcome> {
  const box = await testSandbox({ fields: FIELDS }, 'direct');
  try {
    const table = await application(box, rows, seed);
    const ends: Record<string, number> = {};
    const wrong: string[] = [];
    const stop = new AbortController();
    const writing = writer ? table.write(stop.signal) : undefined;
    writing?.catch(() => {});
    for (let begun = 0; begun < runs; begun += together) {
      const batch = Array.from({ length: Math.min(together, runs - begun) }, () => ending(box, wrong));
      for (const end of await Promise.all(batch)) ends[end] = (ends[end] ?? 0) + 1;
    }
    stop.abort();
    await writing;
    // What was written behind the last run's back is taken by one more.
    const last = await ending(box, wrong);
    if (last !== 'succeeded') wrong.push(`a run of its own ended with ${last}`);
    wrong.push(...(await table.differences()));
    return { writes: table.writes(), ends, wrong };
  } finally {
    await box.close();
  }
}

async function ending(box: TestSandbox, wrong: string[]): Promise<string> {
  try {
    return (await box.run()).state;
  } catch (error) {
    if (error instanceof ResealError && error.code !== 'internal') return `${error.code}: ${error.message}`;
    wrong.push(`a run ended with ${error instanceof Error ? error.message : error}`);
    return 'no code';
  }
}

/** The application, which remembers what it wrote. */
async function application(box: TestSandbox, rows: number, seed: number) {
  const app = new Application('gcm');
  const keys = [app.newKey(), app.newKey(), app.newKey()];
  const roll = dice(seed);
  const any = <T>(list: readonly T[]): T => list[Math.floor(roll() * list.length)] as T;
  const wrote = new Map<number, Written>();
  let [next, writes] = [1, 0];
  const value = (id: number): Written & { readonly cipher: string } => {
    const key = any(keys);
    const text = `user${id}.${writes}@example.com`;
    return { text, cipher: key.encrypt(text), dek: key.dek };
  };

  const first = Array.from({ length: rows }, () => {
    const id = next++;
    const { cipher, dek, text } = value(id);
    wrote.set(id, { text, cipher, dek });
    return { id: String(id), cipher_text: cipher, dek };
  });
  await box.load(app, first);

  const change = async (id: number): Promise<void> => {
    const { text, cipher, dek } = value(id);
    await box.sql(`UPDATE users SET cipher_text = '${cipher}', dek = '${dek}' WHERE id = ${id}`);
    wrote.set(id, { text, cipher, dek });
  };
  const erase = async (id: number): Promise<void> => {
    await box.sql(`UPDATE users SET cipher_text = NULL WHERE id = ${id}`);
    wrote.set(id, { ...(wrote.get(id) as Written), text: null, cipher: null });
  };
  const remove = async (id: number): Promise<void> => {
    await box.sql(`DELETE FROM users WHERE id = ${id}`);
    wrote.delete(id);
  };
  const insert = async (): Promise<void> => {
    const id = next++;
    const { text, cipher, dek } = value(id);
    await box.sql(`INSERT INTO users (id, cipher_text, dek) VALUES (${id}, '${cipher}', '${dek}')`);
    wrote.set(id, { text, cipher, dek });
  };
  // As many rows come as go.
  const acts = [change, change, change, erase, remove, insert];

  return {
    writes: () => writes,
    async write(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        writes++;
        await any(acts)(any([...wrote.keys()]));
      }
    },
    /** What users and its readers say otherwise than the application did last. */
    async differences(): Promise<string[]> {
      const { project, readDataset, readProcedure } = box.deployment;
      const source = await box.sql('SELECT id, cipher_text, dek FROM users ORDER BY id');
      const read = await box.sql(`CALL \`${project}.${readDataset}.${readProcedure}\`()`);
      const expected = [...wrote].sort(([a], [b]) => a - b);
      const wrong: string[] = [];
      const should = expected.map(([id, { cipher, dek }]) => ({ id: String(id), cipher_text: cipher, dek }));
      if (!isDeepStrictEqual(source, should)) wrong.push('what the application wrote is not what users says');
      const seen = new Map(read.map(({ id, email }) => [Number(id), email]));
      // Of an erased value the procedure shows no row.
      for (const [id, { text }] of expected)
        if ((seen.get(id) ?? null) !== text) wrong.push(`row ${id} reads ${seen.get(id)}, and not ${text}`);
      for (const id of seen.keys()) if (!wrote.has(id)) wrong.push(`row ${id} is read, and was deleted`);
      const [sealed] = await box.sql(
        'SELECT COUNT(*) AS n FROM users WHERE cipher_text IS NULL AND (bq_encrypted_email IS NOT NULL OR bq_encryption_key IS NOT NULL)',
      );
      if (sealed?.n !== '0') wrong.push(`${sealed?.n} erased values are still sealed`);
      return wrong;
    },
  };
}
