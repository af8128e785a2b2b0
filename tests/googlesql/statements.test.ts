import { beforeAll, describe, expect, it } from 'vitest';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { withColumns } from '../../jobs/contract/fields.ts';
import type { PartitionedTable } from '../../jobs/contract/partitioning.ts';
import {
  ID_TYPES,
  type IdType,
  KEYINGS,
  type Keying,
  SOURCE_FORMATS,
} from '../../jobs/contract/settings/choices.ts';
import {
  changedPartitions,
  mergeScans,
  readProcedureBody,
  readView,
  rewrapScans,
  statements,
} from '../../jobs/contract/sql/index.ts';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { aDeployment, EMAIL, PHONE } from '../support/deployment.ts';
import { analyze, analyzeAll, tablesOf } from '../support/oracles/analyzer.ts';

const FOUR = [EMAIL, PHONE, ...withColumns([{ name: 'first' }, { name: 'note' }]).slice(1)];
const SHAPES = [
  { fields: [EMAIL], partitionColumn: null },
  { fields: [EMAIL, PHONE], partitionColumn: null },
  { fields: [EMAIL, PHONE], partitionColumn: 'seen_on' },
];

// The source format is a literal in the statements, but for one that counts cipher texts.
const usual = KEYINGS.flatMap((keying) =>
  SHAPES.map((shape) => ({
    ...shape,
    keying,
    sourceFormat: keying === 'row' ? ('gcm' as const) : ('tink-envelope' as const),
    idColumn: 'id',
    idType: 'INT64' as IdType,
  })),
);
const named = [
  ...ID_TYPES.map((idType, at) => ({
    keying: KEYINGS[at % KEYINGS.length] as Keying,
    fields: at === 0 ? FOUR : [EMAIL],
    partitionColumn: null,
    sourceFormat: 'gcm' as const,
    idColumn: 'by',
    idType,
  })),
  ...usual,
];
const stacks = named.map((given) => aDeployment({ ...given, storePlaintext: given.keying === 'row' }));

/** What BigQuery makes of the routine that the stack asks for. */
const createProcedure = (d: Deployment): string =>
  `CREATE OR REPLACE PROCEDURE \`${d.project}.${d.readDataset}.${d.readProcedure}\`() OPTIONS (strict_mode = TRUE)
BEGIN
${readProcedureBody(d)}
END;`;

/** Tables of either kind of partitions, by columns that every one of these has. */
const partitioned = ({ fields, idColumn, idType }: Deployment): PartitionedTable[] => [
  { timePartitioning: { type: 'HOUR', ...(fields[0] && { field: fields[0].resealedAt }) } },
  ...(idType === 'INT64'
    ? [{ rangePartitioning: { field: idColumn, range: { start: '-5', end: '9000', interval: '2' } } }]
    : []),
];

const issued = (d: Deployment) => [
  ...Object.values(statements(d)),
  ...mergeScans(d),
  ...rewrapScans(d),
  ...partitioned(d).flatMap((table) => changedPartitions(d, table) ?? []),
  {
    name: 'view',
    sql: readView(d, {
      aead: { kms: `'gcp-kms://${d.bigqueryKek}'`, keyset: "b'\\x0a\\x24'" },
      deterministic: { kms: `'gcp-kms://${d.bigqueryKek}'`, keyset: "b'\\x0a\\x25'" },
    }),
    params: {},
  },
  { name: 'procedure', sql: createProcedure(d), params: {} },
];

let verdicts: Awaited<ReturnType<typeof analyzeAll>>;
beforeAll(async () => {
  await ensureVenv();
  verdicts = await analyzeAll(
    stacks.map((stack) => ({ tables: tablesOf(stack), statements: issued(stack) })),
  );
}, 600_000);

describe("every statement is accepted by Google's analyzer", () => {
  it.each(named.map((given, at) => ({ at, ...given, count: given.fields.length })))(
    '$keying keying, $sourceFormat, $count fields, ids of $idType, partitions by $partitionColumn',
    ({ at }) => {
      const own = verdicts[at] ?? [];
      expect(own.filter(({ error }) => error !== null)).toEqual([]);
      expect(own).toHaveLength(issued(stacks[at] as Deployment).length);
    },
  );
});

it('reads each source format', async () => {
  const fields = [{ ...EMAIL, valuePattern: "\\Qit's a@b" }];
  const ofFormats = SOURCE_FORMATS.flatMap((sourceFormat, at) => {
    const keying = KEYINGS[at % 2] as Deployment['keying'];
    const unauthenticated = keying === 'row' ? 'accept' : 'reject';
    const stack = aDeployment({ sourceFormat, keying, unauthenticated, fields });
    const { dataKeyNames, sealValues, valuesLeft } = statements(stack);
    return [dataKeyNames, sealValues, valuesLeft].map((one) => ({
      ...one,
      name: `${sourceFormat} ${one.name}`,
    }));
  });
  const errors = (await analyze(tablesOf(aDeployment({ fields })), ofFormats)).filter(
    ({ error }) => error !== null,
  );
  expect(errors).toEqual([]);
}, 120_000);

it('declares each parameter that it uses, and no other', () => {
  for (const stack of stacks) {
    for (const { name, sql, params } of [
      ...Object.values(statements(stack)),
      ...mergeScans(stack),
      ...rewrapScans(stack),
    ]) {
      const used = [...sql.matchAll(/(?<!@)@([a-z_]+)/g)].map(([, parameter]) => parameter);
      expect({ name, params: Object.keys(params).sort() }).toEqual({
        name,
        params: [...new Set(used)].sort(),
      });
    }
  }
});

it('filters by the partition column wherever a statement reads or changes the source table', () => {
  for (const stack of stacks) {
    for (const { name, sql } of issued(stack)) {
      const mentions = sql.match(/(?<!INTO |VIEW )`[\w.-]+\.users`/g)?.length ?? 0;
      const filters = sql.match(/(?:WHERE|\() ?(?:u\.)?`seen_on` (?:IS NULL|BETWEEN reseal_)/g)?.length ?? 0;
      expect({ name, filters }).toEqual({ name, filters: stack.partitionColumn === null ? 0 : mentions });
    }
  }
  // The merge goes through no more partitions than it changes rows in, and the rows without one.
  const { merge } = statements(stacks.at(-1) as Deployment);
  const changes = merge.sql.match(/^(?:MERGE|UPDATE) `[\w.-]+\.users`[^;]*;/gm) ?? [];
  expect(changes).toHaveLength(8);
  for (const change of changes)
    expect(change).toMatch(
      /`seen_on` BETWEEN reseal_first\w* AND reseal_last\w* OR (?:u\.)?`seen_on` IS NULL\) AND/,
    );
});
