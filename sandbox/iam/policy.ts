import { join } from 'node:path';
import { readJsonFile, writeAtomically } from '../state/files.ts';
import { holds, isKnown } from './roles.ts';

/** One member's role on one resource, by the resource's full name. */
export interface Binding {
  readonly member: string;
  readonly role: string;
  readonly resource: string;
}

const same = (a: Binding, b: Binding): boolean =>
  a.member === b.member && a.role === b.role && a.resource === b.resource;

/**
 * The allow policies of the project and everything in it, kept in the state folder. A binding on a resource
 * counts for what is below it: https://cloud.google.com/iam/docs/resource-hierarchy-access-control
 */
export class Policy {
  readonly #file: string;
  #bindings: readonly Binding[];

  constructor(state: string) {
    this.#file = join(state, 'iam.json');
    this.#bindings = (readJsonFile(this.#file) ?? []) as Binding[];
  }

  get bindings(): readonly Binding[] {
    return this.#bindings;
  }

  /** @throws Error for a role that sandbox/iam/roles.ts does not know */
  replace(bindings: readonly Binding[]): void {
    const unknown = bindings.find(({ role }) => !isKnown(role));
    if (unknown) throw new Error(`sandbox/iam/roles.ts does not know the role ${unknown.role}`);
    this.#bindings = bindings.filter((one, at) => bindings.findIndex((other) => same(one, other)) === at);
    writeAtomically(this.#file, JSON.stringify(this.#bindings, null, 1));
  }

  add(binding: Binding): void {
    this.replace([...this.#bindings, binding]);
  }

  /** False where there is no such binding. */
  remove(binding: Binding): boolean {
    const left = this.#bindings.filter((one) => !same(one, binding));
    if (left.length === this.#bindings.length) return false;
    this.replace(left);
    return true;
  }

  /** Removes every binding of a member that was deleted. */
  removeMember(member: string): void {
    const left = this.#bindings.filter((one) => one.member !== member);
    if (left.length < this.#bindings.length) this.replace(left);
  }

  permits(members: readonly string[], permission: string, resource: string): boolean {
    return this.#bindings.some(
      (binding) =>
        members.includes(binding.member) &&
        (resource === binding.resource || resource.startsWith(`${binding.resource}/`)) &&
        holds(binding.role, permission),
    );
  }
}
