import { randomUUID } from 'node:crypto';
import { ResealError } from '../contract/errors.ts';
import type { IdType } from '../contract/settings/choices.ts';

/** The ids that are there, as text; null where there is none. */
export interface TakenIds {
  readonly first: string | null;
  readonly last: string | null;
}

/** A type of ids as whole steps: a number, one of two, a day, a second. */
interface Steps {
  readonly lowest: bigint;
  readonly highest: bigint;
  /** Where the first ids of an empty table begin. */
  readonly begin: bigint;
  /** The last step that is not behind the id. */
  at(id: string): bigint;
  id(step: bigint): string;
}

const whole = (lowest: bigint, highest: bigint): Steps => ({
  lowest,
  highest,
  begin: 1n,
  // Towards minus infinity: -1.5 lies behind -2.
  at: (id) => BigInt(id.split('.', 1)[0] || '0') - (id.startsWith('-') && id.includes('.') ? 1n : 0n),
  id: String,
});

const moments = (seconds: number, text: (iso: string) => string): Steps => {
  const step = (millis: number): bigint => BigInt(Math.floor(millis / 1000 / seconds));
  return {
    lowest: step(Date.parse('0001-01-01T00:00:00Z')),
    highest: step(Date.parse('9999-12-31T23:59:59Z')),
    begin: step(Date.parse('2000-01-01T00:00:00Z')),
    at: (id) => step(Date.parse(`${id.slice(0, 10)}T${id.slice(11, 19) || '00:00:00'}Z`)),
    id: (at) => text(new Date(Number(at) * seconds * 1000).toISOString()),
  };
};

const STEPS: Readonly<Record<Exclude<IdType, 'STRING'>, Steps>> = {
  INT64: whole(-(2n ** 63n), 2n ** 63n - 1n),
  // 29 digits before the point: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types
  NUMERIC: whole(-(10n ** 29n) + 1n, 10n ** 29n - 1n),
  BOOL: {
    lowest: 0n,
    highest: 1n,
    begin: 0n,
    at: (id) => (id === 'true' ? 1n : 0n),
    id: (at) => String(at === 1n),
  },
  DATE: moments(86_400, (iso) => iso.slice(0, 10)),
  DATETIME: moments(1, (iso) => iso.slice(0, 19).replace('T', ' ')),
  TIMESTAMP: moments(1, (iso) => `${iso.slice(0, 19).replace('T', ' ')}+00`),
};

/**
 * Ids for new rows, none of which a table has: behind its highest id, or before its lowest where there is no room behind;
 * of STRING ids that nobody else makes.
 *
 * @example
 * sampleIds('INT64', { first: '1', last: '41' }, 2); // ['42', '43']
 *
 * @throws ResealError `sample-rows` where there is no room on either side
 */
export function sampleIds(idType: IdType, { first, last }: TakenIds, rows: number): string[] {
  const places = Array.from({ length: rows }, (_, at) => BigInt(at));
  if (idType === 'STRING') return places.map(() => randomUUID());
  const { lowest, highest, begin, at, id } = STEPS[idType];
  const count = BigInt(rows);
  const behind = last === null ? begin : at(last) + 1n;
  if (behind + count - 1n <= highest) return places.map((place) => id(behind + place));
  const before = at(first ?? '0') - count;
  if (before >= lowest) return places.map((place) => id(before + place));
  throw new ResealError(
    'sample-rows',
    `there is no room for ${rows} ids before or behind those of the table`,
    {
      hint: 'ask for fewer rows',
    },
  );
}
