/**
 * Every failure that a user can meet. The code is stable (scripts match on it, docs/errors.md lists it),
 * the message says what was wrong and the hint what to change. Neither ever carries a value of a row or a key.
 */
export class ResealError extends Error {
  readonly code: string;
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ResealError';
    this.code = code;
    this.hint = options.hint;
  }
}
