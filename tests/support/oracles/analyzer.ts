import { fileURLToPath } from 'node:url';
import type { Deployment } from '../../../jobs/contract/deployment.ts';
import { tableColumns } from '../../../jobs/contract/tables.ts';
import { askPython } from './python.ts';

/** A table that statements may name, as BigQuery writes it: project.dataset.table. */
export interface AnalyzedTable {
  name: string;
  columns: readonly { readonly name: string; readonly type: string }[];
}
/** One statement or script; `params` are its named parameters' types. */
export interface AnalyzedStatement {
  name: string;
  sql: string;
  params: Readonly<Record<string, string>>;
}
/** `error` is the analyzer's own words; null where it accepts the statement. */
export interface Verdict {
  name: string;
  error: string | null;
}

const script = fileURLToPath(new URL('analyze.py', import.meta.url));

/** Statements, and the tables that they may name. */
export interface Question {
  tables: readonly AnalyzedTable[];
  statements: readonly AnalyzedStatement[];
}

/** Has Google's SQL analyzer judge statements against tables. Needs the Python environment (ensureVenv). */
export const analyzeAll = (questions: readonly Question[]): Promise<Verdict[][]> =>
  askPython<Verdict[][]>(script, questions);

/** The same with one question. */
export async function analyze(
  tables: Question['tables'],
  statements: Question['statements'],
): Promise<Verdict[]> {
  const [verdicts] = await analyzeAll([{ tables, statements }]);
  return verdicts as Verdict[];
}

/** The seven tables of a deployment, as the analyzer's catalog takes them. */
export const tablesOf = (d: Deployment) =>
  Object.entries(tableColumns(d)).map(([which, columns]) => ({
    name: `${d.project}.${d.dataset}.${d.tables[which as keyof typeof d.tables]}`,
    columns: which === 'source' ? [...columns, ...partitionedBy(d)] : columns,
  }));

/** What the stack's own table does not have. */
const partitionedBy = ({ partitionColumn: name }: Deployment) =>
  name === null ? [] : [{ name, type: 'DATE' }];
