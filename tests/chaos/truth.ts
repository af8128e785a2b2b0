import type { Deployment } from '../../jobs/contract/deployment.ts';
import type { Statement } from '../../jobs/contract/sql/index.ts';
import { bigQueryService, type Row } from '../../jobs/google/bigquery.ts';
import type { SandboxEndpoints } from '../../sandbox/http/endpoints.ts';

/** Looks into the tables as the project's owner. */
export interface Truth {
  /** Every byte of the source table. */
  users(): Promise<Row[]>;
  /** What a finished run leaves, value by value: opened values, rejected ones, the ledger's counts, staging, data keys. */
  outcome(): Promise<Outcome>;
  state(runId: string): Promise<string | null>;
  /** Whether the ledger says that the run has merged a value, in its only wave or in one of several: one may be empty. */
  hasMerged(runId: string): Promise<boolean>;
  /** Resolves when whatever was changing tables has ended. */
  settled(): Promise<void>;
}

export interface Outcome {
  readonly values: Row[];
  readonly rejected: Row[];
  readonly ledger: Row[];
  readonly staged: Row[];
  /** Data keys that a run inside BigQuery was given. */
  readonly keys: Row[];
  /** How many moments there are at which values were merged. */
  readonly merges: Row[];
}

export async function truth(deployment: Deployment, owner: SandboxEndpoints): Promise<Truth> {
  const { project, dataset, readDataset, readProcedure } = deployment;
  const bigquery = await bigQueryService(deployment, owner);
  const tables = /\b(users_temp|users_rejected|users|data_keys|keysets|runs)\b/g;
  const sql = (text: string): Promise<Row[]> => {
    const named = text.replace(tables, (table) => `\`${project}.${dataset}.${table}\``);
    return bigquery.query({ name: 'test', sql: named, params: {} } as Statement<never>, {});
  };
  return {
    users: () => sql('SELECT * FROM users ORDER BY id'),
    async state(runId) {
      return (await sql(`SELECT state FROM runs WHERE run_id = '${runId}'`))[0]?.state ?? null;
    },
    async hasMerged(runId) {
      const [row] = await sql(`SELECT merged, erased FROM runs WHERE run_id = '${runId}'`);
      return Number(row?.merged ?? 0) + Number(row?.erased ?? 0) > 0;
    },
    async outcome() {
      return {
        values: await sql(`CALL \`${project}.${readDataset}.${readProcedure}\`()`),
        rejected: await sql('SELECT id, field, reason, run_id FROM users_rejected ORDER BY id'),
        ledger: await sql(
          'SELECT run_id, state, mode, selected, distinct_deks, staged, rejected, merged, changed_meanwhile, error_code, error FROM runs',
        ),
        staged: await sql('SELECT id FROM users_temp'),
        keys: await sql('SELECT run_id FROM data_keys'),
        merges: await sql('SELECT COUNT(DISTINCT resealed_at) AS n FROM users'),
      };
    },
    async settled() {
      // A statement that may change something waits for those before it.
      await sql('DELETE FROM users_temp WHERE FALSE');
    },
  };
}
