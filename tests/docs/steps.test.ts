import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { statements } from '../../jobs/contract/sql/index.ts';
import { keysStep, sealStep } from '../../jobs/engines/bigquery/index.ts';
import { loadStep } from '../../jobs/engines/load.ts';
import { aDeployment } from '../support/deployment.ts';

/** The runbook says of every step that a message of BigQuery's names what the source table then is. */
const NO_STATEMENT = [
  // Looked at through the API, by the doctor too; statements that a user wrote.
  ...['table', 'doctor', 'sql'],
  ...[loadStep, sealStep, keysStep].map((step) => step(aDeployment(), 'a-run').name),
];

it("the runbook's table has the steps that there are, each once", () => {
  const page = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
  const [, table = ''] = /## When a step of BigQuery fails\n(.*?)\n## /s.exec(page) ?? [];
  const cells = [...table.matchAll(/^\| (`.*?) \|/gm)].map(([, cell = '']) => cell);
  const named = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name));
  const issued = Object.values(statements(aDeployment())).map(({ name }) => name);
  expect(named.toSorted()).toEqual([...new Set([...issued, ...NO_STATEMENT])].sort());
});
