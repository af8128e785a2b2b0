import type { EngineName } from '../contract/settings/choices.ts';
import type { Mode } from '../contract/sql/index.ts';

/** What the plan fixed and the engine works from. */
export interface StageInput {
  readonly runId: string;
  readonly mode: Mode;
  readonly snapshotMillis: string;
  readonly idFrom: string;
  readonly idCutoff: string;
  readonly limit: number | null;
  /** The wave at hand, from 0, of how many; `waveId` is what the ids of its batches and load jobs are made of. */
  readonly wave: number;
  readonly waves: number;
  /** Values of the wave. */
  readonly selected: number;
  readonly keyset: { readonly version: number; readonly wrapped: Buffer; readonly kmsKey: string };
  /** The attempts whose rows are not whole: none of them is taken, and a further one stages all rows again. */
  readonly spent: readonly string[];
  /** Called with an attempt before it is begun or waited for. */
  readonly begin?: (attempt: string) => Promise<void>;
  /** The attempt that the rows are to carry, where the caller has one of its own; its load job derives from it. */
  readonly attempt?: string;
}

/** What the engine says of its work; the counts of rows come from the staging table itself. */
export interface StageOutcome {
  /** KMS Decrypt calls for data keys; null where the engine cannot know (a jar of the user's own). */
  readonly kmsCalls: number | null;
  /** What wrote the staged rows and stands in each of them: the id of the batch or of the load job. */
  readonly attempt: string;
  /** The batch that did it; null without one. */
  readonly batchId: string | null;
  /** Approximate usage of a batch in milli-DCU-seconds; null without a batch. */
  readonly milliDcuSeconds: number | null;
}

/** What was ended and removed of a run that is given up. */
export interface Discarded {
  /** Batches or load jobs that were still at work. */
  readonly cancelled: readonly string[];
  /** How many files there were to remove in the bucket's temp folder; null where they could not be removed. */
  readonly files: number | null;
}

export interface StageProgress {
  /** Values that are sealed or rejected. */
  readonly rows?: number;
  /** Data keys that have been unwrapped. */
  readonly deks?: number;
  /** How many of each a second lately, where the engine hears of its work in pieces and late. */
  readonly rowsASecond?: number;
  readonly deksASecond?: number;
  readonly message?: string;
}

/** Where rows are re-encrypted: into the staging table, all of them, sealed or rejected, in one stream. */
export interface Engine {
  readonly name: EngineName;
  /** Repeating it for a run that was staged already changes nothing. Throws ResealError. */
  stage(
    input: StageInput,
    progress: (now: StageProgress) => void,
    signal: AbortSignal,
  ): Promise<StageOutcome>;
  /**
   * Ends whatever attempts of a run's wave have at work, and removes the files that they left. Throws ResealError.
   *
   * @param wave the id of the wave that the run is in: those before it are merged
   * @param say hears of what takes long
   */
  discard(
    runId: string,
    wave: string,
    signal: AbortSignal,
    say?: (message: string) => void,
  ): Promise<Discarded>;
}
