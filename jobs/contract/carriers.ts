import { deploysJob, type EngineSettings } from './cloud-run.ts';

/** What carries out runs of a stack where nobody sits: batches, the job of Cloud Run, both or neither. */
export interface Carriers {
  readonly batches: boolean;
  readonly job: boolean;
}

/**
 * What a stack has by its settings. With neither nothing starts by itself: the direct engine is the caller's own process.
 *
 * @example
 * carriersOf({ engines: ['direct', 'bigquery'] }); // { batches: false, job: true }
 */
export const carriersOf = (settings: EngineSettings): Carriers => ({
  batches: settings.engines.includes('dataproc'),
  job: deploysJob(settings),
});
