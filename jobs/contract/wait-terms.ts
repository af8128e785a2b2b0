/** How long a batch is waited for, by the job and by the workflow; one that takes longer is cancelled. */

/** A batch starts within a minute or two; one whose nodes cannot reach each other never does. */
export const PENDING_MINUTES = 30;

/** Dataproc ends a batch when its time to live is over, and takes a while to do so. */
export const OVERTIME_MINUTES = 10;

/** A batch that is being cancelled ends within a minute or so; beyond this something is wrong with it. */
export const CANCELLING_MINUTES = 10;
