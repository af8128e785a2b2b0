/** What does the work of a batch: a local Spark or, where a test asks for it, the direct engine, which takes a second in place of a minute. */
export type DataprocWork = 'spark' | 'direct';
