import type { Json } from '../http/router.ts';

/** https://cloud.google.com/run/docs/reference/rest/v2/Condition */
interface Condition {
  readonly type: 'Completed' | 'Started';
  readonly state: 'CONDITION_PENDING' | 'CONDITION_RECONCILING' | 'CONDITION_SUCCEEDED' | 'CONDITION_FAILED';
  readonly lastTransitionTime: string;
  readonly message?: string;
  readonly reason?: 'CONTAINER_MISSING';
  readonly executionReason?: 'NON_ZERO_EXIT_CODE' | 'CANCELLED' | 'CANCELLING';
}

/**
 * An execution as the API shows it. A number that is 0, and what is false, is left out of it.
 * https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs.executions
 */
export interface Execution extends Json {
  readonly name: string;
  readonly uid: string;
  readonly template: Json;
  readonly createTime: string;
  startTime?: string;
  completionTime?: string;
  updateTime: string;
  reconciling?: true;
  conditions: readonly Condition[];
  runningCount?: 1;
  succeededCount?: 1;
  failedCount?: 1;
  cancelledCount?: 1;
  retriedCount?: 1;
}

/** How an execution ends. */
export type Outcome =
  | { readonly count: 'succeededCount' }
  | ({ readonly count: 'failedCount' | 'cancelledCount'; readonly message: string } & Pick<
      Condition,
      'reason' | 'executionReason'
    >);

const now = (): string => new Date().toISOString();

/** One that waits to begin. `created` says who and what of. */
export function pendingExecution(created: Json & Pick<Execution, 'name' | 'uid' | 'template'>): Execution {
  const at = now();
  return {
    ...created,
    generation: '1',
    createTime: at,
    updateTime: at,
    launchStage: 'GA',
    parallelism: 1,
    taskCount: 1,
    reconciling: true,
    conditions: [
      { type: 'Completed', state: 'CONDITION_RECONCILING', lastTransitionTime: at },
      { type: 'Started', state: 'CONDITION_PENDING', lastTransitionTime: at },
    ],
  };
}

/** Its task has begun. */
export function begin(execution: Execution): void {
  execution.startTime ??= now();
  execution.runningCount = 1;
  enter(execution, { type: 'Started', state: 'CONDITION_SUCCEEDED' });
}

/** Its task begins anew. */
export function again(execution: Execution): void {
  execution.retriedCount = 1;
  execution.updateTime = now();
}

/** Somebody has asked for its end, and its task has not ended yet. */
export const cancelling = (execution: Execution): void =>
  enter(execution, { type: 'Completed', state: 'CONDITION_RECONCILING', executionReason: 'CANCELLING' });

export function complete(execution: Execution, { count, ...why }: Outcome): void {
  const state = count === 'succeededCount' ? 'CONDITION_SUCCEEDED' : 'CONDITION_FAILED';
  enter(execution, { type: 'Completed', state, ...why });
  execution.completionTime = execution.updateTime;
  execution[count] = 1;
  delete execution.runningCount;
  delete execution.reconciling;
}

function enter(execution: Execution, condition: Omit<Condition, 'lastTransitionTime'>): void {
  const at = now();
  execution.updateTime = at;
  execution.conditions = execution.conditions.map((one) =>
    one.type === condition.type ? { ...condition, lastTransitionTime: at } : one,
  );
}

/** The condition that says what became of it. */
export const completed = ({ conditions }: Execution): Condition | undefined =>
  conditions.find(({ type }) => type === 'Completed');
