import type { Caller } from '../http/caller.ts';
import {
  emailOf,
  onBigQueryProject,
  onDataset,
  onName,
  onPolicyTag,
  onRoutine,
  onTable,
  routineName,
  tableName,
  viewsOf,
} from '../iam/resources.ts';

/** What DML asks for on its target: whoever changes rows by what they hold reads them as well. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  INSERT: ['bigquery.tables.updateData'],
  TRUNCATE: ['bigquery.tables.updateData'],
  DELETE: ['bigquery.tables.updateData', 'bigquery.tables.getData'],
  UPDATE: ['bigquery.tables.updateData', 'bigquery.tables.getData'],
  MERGE: ['bigquery.tables.updateData', 'bigquery.tables.getData'],
};

/**
 * What the statements of one job may do: its caller's permissions, and inside a routine that a dataset
 * authorises the routine's on that dataset.
 * https://cloud.google.com/bigquery/docs/access-control#bigquery-operations-permissions
 */
export class Access {
  readonly #caller: Caller;
  readonly #project: string;
  /** The routine whose body runs, or the views of a dataset; one inside another is authorised, or not, by itself. */
  #authorised: Caller | undefined;

  constructor(caller: Caller, project: string) {
    this.#caller = caller;
    this.#project = project;
  }

  /** The caller's e-mail address. */
  get user(): string {
    return emailOf(this.#caller.member);
  }

  read(dataset: string, table: string): void {
    this.table('bigquery.tables.getData', dataset, table);
  }

  change(verb: string, dataset: string, table: string): void {
    for (const permission of CHANGES[verb] ?? []) this.table(permission, dataset, table);
  }

  /** Any permission on a table. */
  table(permission: string, dataset: string, table: string): void {
    if (this.#authorised?.may(permission, tableName(this.#project, dataset, table))) return;
    this.#caller.require(permission, onTable(this.#project, dataset, table));
  }

  /** A column with a policy tag: who calls a routine that reads it needs the tag's permission as well. */
  column(tag: string, dataset: string, table: string, column: string): void {
    this.#caller.require('datacatalog.categories.fineGrainedGet', onPolicyTag(tag, dataset, table, column));
  }

  dataset(permission: string, dataset: string): void {
    this.#caller.require(permission, onDataset(this.#project, dataset));
  }

  project(permission: string): void {
    this.#caller.require(permission, onBigQueryProject(this.#project));
  }

  routine(permission: string, dataset: string, routine: string): void {
    this.#caller.require(permission, onRoutine(this.#project, dataset, routine));
  }

  /** A CryptoKey that BigQuery is to use on the caller's behalf, whatever routine asks for it. */
  key(permission: string, key: string): void {
    this.#caller.require(permission, onName(key));
  }

  /** The body of a routine, which the caller must be let to call. */
  within<T>(dataset: string, routine: string, work: () => Promise<T>): Promise<T> {
    return this.#as(`routine:${routineName(this.#project, dataset, routine)}`, work);
  }

  /** The query of a view, which the caller must be let to read. */
  through<T>(dataset: string, work: () => T): T {
    return this.#as(viewsOf(this.#project, dataset), work);
  }

  /** Work that is authorised beside its caller, to its end. */
  #as<T>(member: string, work: () => T): T {
    const before = this.#authorised;
    const after = (): void => {
      this.#authorised = before;
    };
    this.#authorised = this.#caller.as(member);
    try {
      const result = work();
      if (result instanceof Promise) return result.finally(after) as T;
      after();
      return result;
    } catch (error) {
      after();
      throw error;
    }
  }
}
