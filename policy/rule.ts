/** A resource as the engine shows it to a policy: what the program asked for, before it is made. */
export interface Subject {
  type: string;
  name: string;
  props: Record<string, unknown>;
  /** Whether the engine refuses to destroy it. */
  protect: boolean;
}

/** What a rule may know of the stack. */
export interface Context {
  /** Whether the rules of production apply. */
  production: boolean;
  /** Whether the plaintext columns are filled. */
  storesPlaintext: boolean;
  /** Names of the columns that hold plaintext then. */
  plaintextColumns: ReadonlySet<string>;
}

/** A rule that each resource has to keep by itself; it answers with what is wrong. */
export interface ResourceRule {
  name: string;
  description: string;
  check(subject: Subject, context: Context): string[];
}

/** A rule about resources together. */
export interface StackRule {
  name: string;
  description: string;
  check(subjects: Subject[], context: Context): string[];
}

/** A property as text; empty where there is none, or where it is not known before the update. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A property as a list of texts. */
export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(text) : [];
}
