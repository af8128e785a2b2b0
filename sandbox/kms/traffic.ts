import { setTimeout as sleep } from 'node:timers/promises';
import { GoogleError } from '../http/errors.ts';

export type Operation = 'encrypt' | 'decrypt';

/** What goes wrong with the calls number `from` to `from + count - 1` of an operation. */
export interface Fault {
  operation: Operation;
  /** 1 is the next call after the fault was set. */
  from: number;
  count: number;
  /** `corrupt-crc32c` answers with a wrong checksum, `corrupt-bytes` with wrong bytes under the right one. */
  kind: 'unavailable' | 'quota' | 'internal' | 'denied' | 'corrupt-crc32c' | 'corrupt-bytes';
  /** With `quota`: how long the answer asks the caller to wait. */
  retryAfterSeconds?: number;
}

/** How calls are slowed, limited and made to fail. */
export interface TrafficRules {
  latencyMs: number;
  /** Calls a wall-clock second and operation that are let through; null for no limit. */
  callsPerSecond: number | null;
  faults: Fault[];
}

/** One key's calls over REST. BigQuery's own, inside the sandbox, are counted apart. */
export interface KeyCalls {
  encrypt: number;
  decrypt: number;
  /** Calls answered with an error, of those above. */
  failed: number;
  bigquery: number;
  /** Decrypt calls received in each wall-clock second that saw any, by Unix second. */
  decryptsBySecond: Record<string, number>;
}

/** Counts the calls of every key, and brings about the latency, quota and faults that a test asked for. */
export class Traffic {
  #keys = new Map<string, KeyCalls>();
  #rules: TrafficRules = { latencyMs: 0, callsPerSecond: null, faults: [] };
  #seen: Record<Operation, number> = { encrypt: 0, decrypt: 0 };
  #second = { at: 0, encrypt: 0, decrypt: 0 };

  set(rules: Partial<TrafficRules>): TrafficRules {
    this.#rules = { ...this.#rules, ...rules };
    this.#seen = { encrypt: 0, decrypt: 0 };
    this.#second = { at: 0, encrypt: 0, decrypt: 0 };
    return this.#rules;
  }

  reset(): void {
    this.#keys.clear();
    this.set({ latencyMs: 0, callsPerSecond: null, faults: [] });
  }

  calls(): Record<string, KeyCalls> {
    return Object.fromEntries(this.#keys);
  }

  /** Counts a call that BigQuery makes on its own behalf. */
  countBigQuery(key: string): void {
    this.#of(key).bigquery++;
  }

  failed(key: string): void {
    this.#of(key).failed++;
  }

  /** Counts a call and lets it pass, perhaps late and with a fault to apply to its answer, or throws. */
  async admit(key: string, operation: Operation): Promise<Fault['kind'] | undefined> {
    const calls = this.#of(key);
    calls[operation]++;
    const second = Math.floor(Date.now() / 1000);
    if (operation === 'decrypt') {
      calls.decryptsBySecond[second] = (calls.decryptsBySecond[second] ?? 0) + 1;
    }
    if (this.#second.at !== second) this.#second = { at: second, encrypt: 0, decrypt: 0 };
    const inSecond = ++this.#second[operation];
    const number = ++this.#seen[operation];
    const { latencyMs, callsPerSecond, faults } = this.#rules;
    if (latencyMs > 0) await sleep(latencyMs);
    if (callsPerSecond !== null && inSecond > callsPerSecond) throw new QuotaExceeded();
    const fault = faults.find(
      (one) => one.operation === operation && number >= one.from && number < one.from + one.count,
    );
    switch (fault?.kind) {
      case 'unavailable':
        throw new GoogleError('UNAVAILABLE', 'The service is currently unavailable.');
      case 'internal':
        throw new GoogleError('INTERNAL', 'Internal error encountered.');
      case 'denied':
        throw new GoogleError(
          'PERMISSION_DENIED',
          `Permission 'cloudkms.cryptoKeyVersions.useTo${operation === 'decrypt' ? 'Decrypt' : 'Encrypt'}' denied on resource '${key}' (or it may not exist).`,
        );
      case 'quota':
        throw new QuotaExceeded(fault.retryAfterSeconds);
      default:
        return fault?.kind;
    }
  }

  #of(key: string): KeyCalls {
    const known = this.#keys.get(key);
    if (known) return known;
    const fresh = { encrypt: 0, decrypt: 0, failed: 0, bigquery: 0, decryptsBySecond: {} };
    this.#keys.set(key, fresh);
    return fresh;
  }
}

/** An exhausted quota, with the time to wait as google.rpc.RetryInfo where there is one. */
class QuotaExceeded extends GoogleError {
  readonly #retryAfterSeconds: number | undefined;

  constructor(retryAfterSeconds?: number) {
    super(
      'RESOURCE_EXHAUSTED',
      "Quota exceeded for quota metric 'Cryptographic requests' and limit 'Cryptographic requests per minute' of service 'cloudkms.googleapis.com'.",
    );
    this.#retryAfterSeconds = retryAfterSeconds;
  }

  override toJSON(): object {
    const { error } = super.toJSON() as { error: object };
    if (this.#retryAfterSeconds === undefined) return { error };
    const type = 'type.googleapis.com/google.rpc.RetryInfo';
    return { error: { ...error, details: [{ '@type': type, retryDelay: `${this.#retryAfterSeconds}s` }] } };
  }
}
