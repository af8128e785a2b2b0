import type { Catalog } from './catalog.ts';
import type { Engine } from './engine.ts';
import type { Keysets } from './keysets.ts';

/** What every statement, job and route of the sandbox's BigQuery works on. */
export interface Backend {
  engine: Engine;
  catalog: Catalog;
  keysets: Keysets;
}
