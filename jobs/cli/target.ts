import type { Deployment } from '../contract/deployment.ts';
import type { Keying, SourceFormat } from '../contract/settings/choices.ts';
import type { Endpoints } from '../google/clients.ts';

/** Where a command works. */
export interface Target {
  readonly deployment: Deployment;
  /** Undefined for Google Cloud itself. */
  readonly endpoints?: Endpoints;
  /** What the user may want to do next. */
  readonly next: string;
  /** Keeps what the target was opened with for later commands: called once a run has begun with it. */
  keep(): Promise<void>;
  close(): Promise<void>;
}

/** The options that make or fill a sandbox. */
export interface SandboxOptions {
  readonly state: string;
  readonly fresh?: boolean;
  readonly users?: string;
  readonly kek?: string;
  readonly sourceFormat?: SourceFormat;
  readonly keying?: Keying;
  readonly setting?: Readonly<Record<string, string>>;
  /** A file of rules for what goes wrong. */
  readonly faults?: string;
}

export interface TargetOptions extends SandboxOptions {
  /** For commands that only look: a sandbox made for them would be empty. */
  readonly mustExist?: boolean;
  /** A Pulumi stack; the sandbox without one. */
  readonly stack?: string;
}
