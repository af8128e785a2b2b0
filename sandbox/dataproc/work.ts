/** What does the work of a batch: a local Spark, or by wish the direct engine, in a second in place of a minute. */
export type DataprocWork = 'spark' | 'direct';
