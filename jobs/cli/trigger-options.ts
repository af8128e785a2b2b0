import type { Mode } from '../contract/sql/index.ts';
import type { EngineChoice } from '../run/context.ts';
import type { PageOptions } from './page/file.ts';
import type { TargetOptions } from './target.ts';

export interface TriggerOptions extends TargetOptions, PageOptions {
  readonly via: 'job' | 'workflow';
  readonly engine: EngineChoice;
  readonly mode: Mode;
  readonly limit?: number;
  readonly wave?: number;
  readonly plan?: boolean;
  readonly yes?: boolean;
  readonly resume?: string;
  readonly acceptRejected?: boolean;
  readonly takeOver?: boolean;
  readonly runId?: string;
  readonly detach?: boolean;
  readonly json?: boolean;
}
