import type { Deployment } from '../../contract/deployment.ts';
import { type LedgerJson, ledgerJson, ledgerRow } from '../../contract/ledger.ts';
import { readProcedureBody } from '../../contract/sql/index.ts';
import type { ReadContext } from '../../run/context.ts';
import type { Report } from '../../run/report.ts';
import type { KeysetVersion } from '../../upkeep/known-keysets.ts';
import type { ConsoleLink } from '../console-links.ts';

/** All that the page of a run shows: its report, and what the tables say around it. */
export interface RunPageData {
  readonly stack: Pick<Deployment, 'stack' | 'project' | 'dataset' | 'tables'>;
  readonly report: Report;
  /** Versions of the first-level keyset, the newest first. */
  readonly keysets: readonly Omit<KeysetVersion, 'values' | 'seals_left'>[];
  /** The runs before it, the newest first. */
  readonly before: readonly LedgerJson[];
  readonly links: readonly ConsoleLink[];
  /** SQL that reads the values, to be pasted into BigQuery. */
  readonly reading: { readonly query: string; readonly script: string };
}

const RUNS_BEFORE = 9;

/** Reads what stands around a report. Changes nothing. */
export async function runPageData(
  { deployment, bigquery, sql }: ReadContext,
  report: Report,
  links: readonly ConsoleLink[],
): Promise<RunPageData> {
  const before = { before_millis: Date.parse(report.started_at), row_limit: RUNS_BEFORE };
  const runs = await bigquery.query(sql.history, before);
  const keysets = await bigquery.query(sql.keysetVersions, {});
  const { project, readDataset, readView, idColumn } = deployment;
  return {
    stack: deployment,
    report,
    keysets: keysets.reverse().map((row) => ({
      version: Number(row.version),
      algorithm: row.algorithm ?? '',
      kms_key: row.kms_key ?? '',
      created_at: new Date(Number(row.created_at)).toISOString(),
      seals: Number(row.seals),
    })),
    before: runs.map((row) => ledgerJson(ledgerRow(row))),
    links,
    reading: {
      query: `SELECT * FROM \`${project}.${readDataset}.${readView}\` ORDER BY \`${idColumn}\` LIMIT 100;`,
      script: readProcedureBody(deployment),
    },
  };
}
