/** A bug: what happened, and the input that made it happen. */
export interface Finding {
  readonly what: string;
  readonly input: unknown;
}
