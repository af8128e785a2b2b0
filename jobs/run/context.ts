import type { Deployment } from '../contract/deployment.ts';
import type { Via } from '../contract/ledger.ts';
import type { Mode, Statements } from '../contract/sql/index.ts';
import type { Engine } from '../engines/engine.ts';
import type { BigQueryService } from '../google/bigquery.ts';

/** Which engine a run is to use; `auto` takes the cheapest that the stack allows, direct for small tables alone. */
export type EngineChoice = 'auto' | Engine['name'];

export interface RunOptions {
  readonly runId: string;
  readonly mode: Mode;
  /** Only so many rows by id, behind those of the last run with a limit; null for all. */
  readonly limit: number | null;
  /** Distinct data keys a wave, about; null for what the stack says. */
  readonly waveDeks?: number | null;
  readonly engine: EngineChoice;
  /** Who is to carry it out: `auto` stands for other engines in the workflow. */
  readonly via?: Via;
}

/** What a user may allow a run beyond the stack's settings. */
export interface Allowed {
  /** Go on to the merge even if more values are rejected than `maxRejectedShare`. */
  readonly rejected: boolean;
  /** Go on with a run in the place of whoever still drives it. */
  readonly takeOver?: boolean;
  /** Go on with a run that this owner hands over, and that is still its own. */
  readonly handedOverBy?: string;
  /** Asked with the plan of a new run before anything is begun; throws where it is not to be. */
  readonly approve?: (plan: Plan) => Promise<void>;
}

/** What a run works with. */
export interface RunContext {
  readonly deployment: Deployment;
  readonly bigquery: BigQueryService;
  readonly sql: Statements;
  readonly engines: Readonly<Record<Engine['name'], Engine>>;
  readonly signal: AbortSignal;
  /** How often the lease of a run is renewed; `HEARTBEAT_SECONDS` unless said otherwise. */
  readonly heartbeatMs?: number;
  /** As whom this process drives its one run; undefined for a name of its own each time. */
  readonly owner?: string;
}

/** The same for the steps that write the state of a run, which only its owner may. */
export interface HeldContext extends RunContext {
  readonly owner: string;
}

/** What looks at runs and values works with: no engine, and nothing that changes a row. */
export type ReadContext = Pick<RunContext, 'deployment' | 'bigquery' | 'sql'>;

/** The first-level keyset of a run. */
export interface RunKeyset {
  readonly version: number;
  readonly wrapped: Buffer;
  /** The CryptoKey that wraps it. */
  readonly kmsKey: string;
  /** The type of its keys, as the table of keysets has it. */
  readonly algorithm: string;
}

/** What the plan fixes: the later steps select, count and seal by it and by nothing else. */
export interface Plan {
  readonly runId: string;
  readonly mode: Mode;
  readonly engine: Engine['name'];
  readonly snapshotMillis: string;
  /** The lowest and the highest id taken, both in decimal. */
  readonly idFrom: string;
  readonly idCutoff: string;
  /** The row limit behind the cut-off, which a jar is handed; null for none. */
  readonly limit: number | null;
  readonly selected: number;
  readonly distinctDeks: number;
  /** In how many waves of data keys the run goes; 1 for all at once. */
  readonly waves: number;
  /** Values that seem to have no tag; 0 for a resumed run, whose stage counts them. */
  readonly unauthenticated: number;
  /** Values whose source is NULL now and whose sealed form the merge clears; 0 for a resumed run, whose merge counts them. */
  readonly erasable: number;
  /** Row keysets that the merge will seal anew under the newest version; 0 for a resumed run, whose merge counts them. */
  readonly rewrappable: number;
  /** Null until the first run has made one: `--plan` changes nothing. */
  readonly keyset: RunKeyset | null;
  /** Logical bytes of the source table; 0 where BigQuery does not say, and for a resumed run. */
  readonly sourceBytes: number;
  /** What a small statement took while the run was planned, in milliseconds; 0 for a resumed run. */
  readonly statementMillis: number;
  /** Rows in the streaming buffer, which are left for a later run; 0 for a resumed run. */
  readonly streamedRows: number;
  /**
   * What to tell people of a source table whose partitions are all gone through; null for one of which there is nothing
   * to tell, and for a resumed run.
   */
  readonly wholePartitions: string | null;
  /** Rows of the source table with a value and no id, which no run takes; 0 for a resumed run. */
  readonly rowsWithoutId: number;
  /** Whether the first-level key will have made half of the seals that it may. */
  readonly keysetNearBound: boolean;
}

/** What a step is doing: what is known of it, and never a value of a row. */
export interface Advance {
  /** In a few words. */
  readonly message?: string;
  /** Values that are done, of how many. */
  readonly values?: Share;
  /** Data keys that KMS has unwrapped, a call each, of how many. */
  readonly deks?: Share;
}

/** A part of a whole. */
export interface Share {
  readonly done: number;
  readonly of: number;
  /** How many a second lately, where whoever does them says so; else it shows in how `done` grows. */
  readonly aSecond?: number;
}

export type Progress = (now: Advance) => void;

/** Follows a run; the command line shows it, tests listen to it. */
export interface Watcher {
  step<T>(name: string, work: (progress: Progress) => Promise<T>, summary: (result: T) => string): Promise<T>;
}
