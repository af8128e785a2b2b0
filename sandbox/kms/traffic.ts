export type Operation = 'encrypt' | 'decrypt';

/** One key's calls, over REST and gRPC. BigQuery's own, inside the sandbox, are counted apart. */
export interface KeyCalls {
  encrypt: number;
  decrypt: number;
  /** Calls answered with an error, or not at all, of those above. */
  failed: number;
  bigquery: number;
  /** Decrypt calls received in each wall-clock second that saw any, by Unix second. */
  decryptsBySecond: Record<string, number>;
}

/** Counts the calls of every key. */
export class Traffic {
  #keys = new Map<string, KeyCalls>();

  reset(): void {
    this.#keys.clear();
  }

  calls(): Record<string, KeyCalls> {
    return Object.fromEntries(this.#keys);
  }

  /** Counts a call, whatever comes of it. */
  received(key: string, operation: Operation): void {
    const calls = this.#of(key);
    calls[operation]++;
    if (operation !== 'decrypt') return;
    const second = Math.floor(Date.now() / 1000);
    calls.decryptsBySecond[second] = (calls.decryptsBySecond[second] ?? 0) + 1;
  }

  failed(key: string): void {
    this.#of(key).failed++;
  }

  /** Counts a call that BigQuery makes on its own behalf. */
  countBigQuery(key: string): void {
    this.#of(key).bigquery++;
  }

  #of(key: string): KeyCalls {
    const known = this.#keys.get(key);
    if (known) return known;
    const fresh = { encrypt: 0, decrypt: 0, failed: 0, bigquery: 0, decryptsBySecond: {} };
    this.#keys.set(key, fresh);
    return fresh;
  }
}
