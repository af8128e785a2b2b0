import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ID_TYPES, type IdType } from '../../jobs/contract/settings/choices.ts';
import { boundType, idText, isNamed, shownId, upTo, withinIds } from '../../jobs/contract/sql/row-ids.ts';
import type { ParamType, Statement } from '../../jobs/contract/sql/statement.ts';
import type { BigQueryService } from '../../jobs/google/bigquery.ts';
import { bigQueryService } from '../../jobs/google/bigquery.ts';
import { type TestSandbox, testSandbox } from '../support/sandbox.ts';

let box: TestSandbox;
let owner: BigQueryService;
beforeAll(async () => {
  box = await testSandbox({}, 'direct');
  owner = await bigQueryService(box.deployment, box.sandbox.owner);
});
afterAll(() => box.close());

const moment = fc
  .date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true })
  .map((date) =>
    date
      .toISOString()
      .replace('T', ' ')
      .replace(/\.000Z|Z/, ''),
  );

/** Texts of ids as BigQuery writes them. */
const TEXTS: Readonly<Record<IdType, fc.Arbitrary<string>>> = {
  INT64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  STRING: fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
  NUMERIC: fc
    .tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.integer({ min: 0, max: 999_999_999 }))
    .map(([whole, part]) => `${whole}.${String(part).padStart(9, '0')}`.replace(/\.?0+$/, '')),
  BOOL: fc.boolean().map(String),
  DATE: moment.map((text) => text.slice(0, 10)),
  DATETIME: moment,
  TIMESTAMP: moment.map((text) => `${text}+00`),
};

/** One statement with such parameters. */
async function asked(
  sql: string,
  params: Record<string, ParamType>,
  values: Record<string, string>,
): Promise<Record<string, string | null | undefined>[]> {
  return owner.query({ name: 'ids', sql, params } as Statement<string>, values);
}

describe.each(ID_TYPES)('ids of %s', (idType) => {
  const d = { idType };

  it('are texts and back the same, whatever they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(TEXTS[idType], { minLength: 20, maxLength: 20 }), async (texts) => {
        const back = `SELECT ${idText(d, 'id')} AS text, CAST(${idText(d, 'id')} AS ${idType}) = id AS same, ${shownId(d, 'id')} AS shown
FROM (SELECT CAST(given AS ${idType}) AS id FROM UNNEST(JSON_VALUE_ARRAY(@ids)) AS given)`;
        const rows = await asked(back, { ids: 'STRING' }, { ids: JSON.stringify(texts) });
        expect(rows.map(({ text }) => text).toSorted()).toEqual(texts.toSorted());
        expect(rows.map(({ shown }) => shown).toSorted()).toEqual(texts.toSorted());
        expect(new Set(rows.map(({ same }) => same))).toEqual(new Set(['true']));
      }),
      { numRuns: 5 },
    );
  });

  it('are within a bound that one of them makes, and named by their text', async () => {
    const type = boundType(d);
    await fc.assert(
      fc.asyncProperty(TEXTS[idType], async (text) => {
        const one = `(SELECT CAST(@text AS ${idType}) AS id)`;
        const [made] = await asked(
          `SELECT ${upTo(d, 'id')} AS bound FROM ${one}`,
          { text: 'STRING' },
          { text },
        );
        const bound = made?.bound ?? '';
        const behind = type === 'INT64' ? text : `>${text}`;
        const sql = `SELECT ${withinIds(d, 'id', { id_from: '@none', id_cutoff: '@bound' })} AS inside,
  ${withinIds(d, 'id', { id_from: '@behind', id_cutoff: '@all' })} AS behind, ${isNamed(d, 'id')} AS named FROM ${one}`;
        const params = {
          text: 'STRING',
          ids: 'STRING',
          none: type,
          bound: type,
          behind: type,
          all: type,
        } as const;
        const all =
          type === 'INT64'
            ? { none: String(-(2n ** 63n)), all: String(2n ** 63n - 1n) }
            : { none: '', all: '' };
        const rows = await asked(sql, params, {
          text,
          bound,
          behind,
          ids: JSON.stringify([text, 'x']),
          ...all,
        });
        // INT64 has inclusive bounds, others begin behind theirs.
        expect(rows).toEqual([{ inside: 'true', behind: String(type === 'INT64'), named: 'true' }]);
      }),
      { numRuns: 10 },
    );
  });
});
