/** What the rows of a run are chosen by: parameters of every statement that selects them. */
export const CHOSEN = {
  mode: 'STRING',
  snapshot_millis: 'INT64',
  id_from: 'INT64',
  id_cutoff: 'INT64',
  keyset_version: 'INT64',
} as const;

/** The same for values, which go in waves of data keys. */
export const SELECTION = { ...CHOSEN, wave: 'INT64', waves: 'INT64' } as const;
/** Something for each parameter of a selection: the job has values, the workflow expressions. */
export type Selection<V> = Readonly<Record<keyof typeof SELECTION, V>>;

/** All values at once, in place of one wave of several. */
export const WHOLE = { wave: 0, waves: 1 } as const;
