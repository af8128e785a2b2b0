import { createWriteStream, renameSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { GoogleError } from '../errors/google-error.ts';
import { Broken } from '../http/router.ts';
import { OLDER_REQUEST_LOG, REQUEST_LOG } from './folder.ts';

/** A call of one of Google's methods, by whom and on what; nothing of what it says. */
export interface LoggedCall {
  readonly service: string;
  /** Google's name of the method: `jobs.insert`, `CreateReadSession`. */
  readonly method: string;
  readonly member: string;
  /** The path without its query; of the Storage Read API, which has none, the resource that the call names. */
  readonly resource: string;
}

/** A longer log makes room for the next; two are kept. */
const MOST_BYTES = 16 * 2 ** 20;

/**
 * The calls that were let in, a JSON object a line in `<state>/requests.ndjson`, in the order in which they ended, with
 * what came of each: `OK`, a canonical status or `BROKEN` for an answer that did not arrive whole. It begins anew with
 * each start.
 */
export class RequestLog {
  readonly #state: string;
  #file: WriteStream;
  #bytes = 0;

  constructor(state: string) {
    this.#state = state;
    this.#file = this.#begun();
  }

  /** Carries a call out and logs what came of it. */
  async logged<T>(call: LoggedCall, work: () => Promise<T | Broken<T>>): Promise<T | Broken<T>> {
    try {
      const answer = await work();
      this.#write(call, answer instanceof Broken ? 'BROKEN' : 'OK');
      return answer;
    } catch (error) {
      this.#write(call, error instanceof GoogleError ? error.status : 'INTERNAL');
      throw error;
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#file.end(resolve));
  }

  #write({ service, method, member, resource }: LoggedCall, outcome: string): void {
    const time = new Date().toISOString();
    const line = `${JSON.stringify({ time, service, method, member, resource, outcome })}\n`;
    this.#bytes += line.length;
    if (this.#bytes > MOST_BYTES) {
      this.#file.end();
      renameSync(join(this.#state, REQUEST_LOG), join(this.#state, OLDER_REQUEST_LOG));
      this.#file = this.#begun();
      this.#bytes = line.length;
    }
    this.#file.write(line);
  }

  /** A log that cannot be written must not end the sandbox. */
  #begun(): WriteStream {
    return createWriteStream(join(this.#state, REQUEST_LOG), { flags: 'w', mode: 0o600 }).on(
      'error',
      () => {},
    );
  }
}
