import type { Deployment } from '../contract/deployment.ts';
import type { Mode, Statements } from '../contract/sql/index.ts';
import type { Engine } from '../engines/engine.ts';
import type { BigQueryService } from '../google/bigquery.ts';

/** Which engine a run is to use; `auto` takes direct for small tables where the stack allows it. */
export type EngineChoice = 'auto' | Engine['name'];

export interface RunOptions {
  readonly runId: string;
  readonly mode: Mode;
  /** Only the first so many rows by id; null for all. */
  readonly limit: number | null;
  readonly engine: EngineChoice;
}

/** What a user may allow a run beyond the stack's settings. */
export interface Allowed {
  /** Go on to the merge even if more values are rejected than `maxRejectedShare`. */
  readonly rejected: boolean;
}

/** What a run works with. */
export interface RunContext {
  readonly deployment: Deployment;
  readonly bigquery: BigQueryService;
  readonly sql: Statements;
  readonly engines: Readonly<Record<Engine['name'], Engine>>;
  readonly signal: AbortSignal;
}

/** The first-level keyset of a run. */
export interface RunKeyset {
  readonly version: number;
  readonly wrapped: Buffer;
}

/** What the plan fixes: the later steps select, count and seal by it and by nothing else. */
export interface Plan {
  readonly runId: string;
  readonly mode: Mode;
  readonly engine: Engine['name'];
  readonly snapshotMillis: string;
  readonly idCutoff: string;
  /** The row limit behind the cut-off; null for none, and for a resumed run, whose cut-off is known. */
  readonly limit: number | null;
  readonly selected: number;
  readonly distinctDeks: number;
  /** Values that seem to have no tag; 0 for a resumed run, whose stage counts them. */
  readonly unauthenticated: number;
  /** Values whose source is NULL now and whose sealed form the merge clears; 0 for a resumed run, whose merge counts them. */
  readonly erasable: number;
  /** Null until the first run has made one: `--plan` changes nothing. */
  readonly keyset: RunKeyset | null;
  /** Rows in the streaming buffer, which are left for a later run; 0 for a resumed run. */
  readonly streamedRows: number;
  /** Whether the first-level key will have made half of the seals that it may. */
  readonly keysetNearBound: boolean;
}

/** Says what a step is doing, in a few words without any value of a row. */
export type Progress = (text: string) => void;

/** Follows a run; the command line shows it, tests listen to it. */
export interface Watcher {
  step<T>(name: string, work: (progress: Progress) => Promise<T>, summary: (result: T) => string): Promise<T>;
}
