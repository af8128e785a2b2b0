import type { Typed } from '../translate/values.ts';

/** Script variables of nested blocks, by name in lower case. */
export class Scope {
  readonly #outer: Scope | undefined;
  readonly #own = new Map<string, Typed>();

  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  get empty(): boolean {
    return this.#own.size === 0 && (this.#outer?.empty ?? true);
  }

  get(name: string): Typed | undefined {
    return this.#own.get(name) ?? this.#outer?.get(name);
  }

  declare(name: string, typed: Typed): void {
    this.#own.set(name, typed);
  }

  /** False when there is no such variable. */
  set(name: string, typed: Typed): boolean {
    if (this.#own.has(name)) {
      this.#own.set(name, typed);
      return true;
    }
    return this.#outer?.set(name, typed) ?? false;
  }
}
