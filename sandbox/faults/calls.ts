import { setTimeout as sleep } from 'node:timers/promises';
import { GoogleError } from '../errors/google-error.ts';
import { Broken } from '../http/router.ts';
import type { MethodName } from './methods.ts';
import type { Faults } from './plane.ts';
import type { RuleOf } from './rules.ts';

/** A call on its way to what answers it. */
export interface Passing extends MethodName {
  readonly member: string;
  /** How the service denies the call. */
  denied(): GoogleError;
}

/** Carries a call out under the rules: its answer, what is left of it, or an error in the place of it. */
export async function underRules<T>(
  faults: Faults,
  passing: Passing,
  work: () => Promise<T> | T,
): Promise<T | Broken<T>> {
  const hits = faults.hit('call', passing, passing.member);
  for (const rule of hits) if (rule.kind === 'latency') await sleep(rule.ms, undefined, { ref: false });
  const rule = hits.find(({ kind }) => kind !== 'latency');
  if (rule === undefined) return work();
  if (rule.kind === 'half') return new Broken(await work());
  // The work is done, and nobody hears of it.
  if ('when' in rule && rule.when === 'after') await work();
  if (rule.kind === 'kill') faults.kill();
  if (rule.kind === 'kill' || rule.kind === 'drop') return new Broken<T>();
  throw errorOf(rule, passing);
}

function errorOf(rule: RuleOf<'call'>, { service, denied }: Passing): GoogleError {
  switch (rule.kind) {
    case 'rate':
    case 'quota':
      return new QuotaExceeded(service, rule.retryAfterSeconds);
    case 'internal':
      return new GoogleError('INTERNAL', 'Internal error encountered.');
    case 'denied':
      return denied();
    case 'expired-token':
      return new GoogleError(
        'UNAUTHENTICATED',
        'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
      );
    default:
      return new GoogleError('UNAVAILABLE', 'The service is currently unavailable.');
  }
}

/**
 * An exhausted quota, with the time to wait where there is one: as google.rpc.RetryInfo, and for clients of HTTP as
 * a header. https://cloud.google.com/apis/design/errors#error_details, https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
class QuotaExceeded extends GoogleError {
  readonly #retryAfterSeconds: number | undefined;

  constructor(service: string, retryAfterSeconds?: number) {
    super(
      'RESOURCE_EXHAUSTED',
      service === 'kms'
        ? "Quota exceeded for quota metric 'Cryptographic requests' and limit 'Cryptographic requests per minute' of service 'cloudkms.googleapis.com'."
        : `Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of service '${service}.googleapis.com'.`,
      { reason: 'rateLimitExceeded' },
    );
    this.#retryAfterSeconds = retryAfterSeconds;
  }

  override get headers(): Record<string, string> {
    if (this.#retryAfterSeconds === undefined) return {};
    return { 'retry-after': String(Math.ceil(this.#retryAfterSeconds)) };
  }

  override toJSON(): object {
    const { error } = super.toJSON() as { error: object };
    if (this.#retryAfterSeconds === undefined) return { error };
    const type = 'type.googleapis.com/google.rpc.RetryInfo';
    return { error: { ...error, details: [{ '@type': type, retryDelay: `${this.#retryAfterSeconds}s` }] } };
  }
}
