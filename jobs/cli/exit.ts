import { ResealError } from '../contract/errors.ts';

/** What scripts go by; docs/errors.md lists the codes behind them. */
export const EXIT = { ok: 0, failed: 1, usage: 2, rejected: 3, cancelled: 130 } as const;

/** Mistakes of the caller, told apart from runs that failed. */
const USAGE =
  /^(users|kek|run-id|run-unknown|resume|stack|pulumi|engine|keying|sandbox|vectors|option|workflow-missing)(-|$)/;

export function exitCode(error: unknown): number {
  if (!(error instanceof ResealError)) return EXIT.failed;
  if (error.code === 'cancelled') return EXIT.cancelled;
  if (error.code === 'rejected-share') return EXIT.rejected;
  return USAGE.test(error.code) ? EXIT.usage : EXIT.failed;
}

/** Says on stderr what was wrong and what to change; with --json the same as an object on stdout. */
export function printError(error: unknown, json: boolean): void {
  const known = error instanceof ResealError;
  const code = known ? error.code : 'internal';
  const message = error instanceof Error ? error.message : String(error);
  const hint = known ? error.hint : undefined;
  const cause = known && error.cause instanceof Error ? error.cause.message : undefined;
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message, hint, cause } })}\n`);
  process.stderr.write(`error (${code}): ${message}\n`);
  if (cause !== undefined) process.stderr.write(`cause: ${cause}\n`);
  if (hint !== undefined) process.stderr.write(`hint: ${hint}\n`);
  if (!known && error instanceof Error && process.env.RESEAL_DEBUG === '1')
    process.stderr.write(`${error.stack}\n`);
}
