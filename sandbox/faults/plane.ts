import { OWNER } from '../iam/caller.ts';
import { dice } from './dice.ts';
import type { MethodName } from './methods.ts';
import { type Level, levelOf, type Rule, type RuleOf } from './rules.ts';

/** A rule, and what has come of it. */
interface Active {
  readonly rule: Rule;
  readonly roll: () => number;
  /** Calls that the rule is for, since it was set. */
  calls: number;
  hits: number;
  /** Calls in the wall-clock second at hand, for `rate`. */
  second: { at: number; calls: number };
}

/** What a rule shows of itself. */
export interface RuleState {
  readonly rule: Rule;
  readonly calls: number;
  readonly hits: number;
}

/** Kinds that hit every call unless the rule has a count: a slow or limited service is a state, not an accident. */
const LASTING: readonly Rule['kind'][] = ['latency', 'rate'];

/** What goes wrong in a sandbox, by rules. Every service asks here, and nothing else makes a fault. */
export class Faults {
  #active: Active[] = [];
  readonly #kill: () => void;

  /** `kill` is what a rule of kind `kill` does; the end of this process unless given. */
  constructor(kill: () => void = () => process.kill(process.pid, 'SIGKILL')) {
    this.#kill = kill;
  }

  /** Replaces the rules, whose counts start anew; an empty list makes nothing fail. */
  set(rules: readonly Rule[]): void {
    this.#active = rules.map((rule) => ({
      rule,
      roll: dice(rule.seed),
      calls: 0,
      hits: 0,
      second: { at: 0, calls: 0 },
    }));
  }

  states(): RuleState[] {
    return this.#active.map(({ rule, calls, hits }) => ({ rule, calls, hits }));
  }

  kill(): void {
    this.#kill();
  }

  /** The rules of a level that hit this call, in their order. `fits` looks at what only that level knows. */
  hit<L extends Level>(
    level: L,
    { service, method }: MethodName,
    member: string,
    fits: (rule: RuleOf<L>) => boolean = () => true,
  ): RuleOf<L>[] {
    const found: RuleOf<L>[] = [];
    for (const active of this.#active) {
      const rule = active.rule as RuleOf<L>;
      if (levelOf(rule.kind) !== level || rule.service !== service) continue;
      if (rule.method !== undefined && rule.method !== method) continue;
      if (rule.member === undefined ? member === OWNER : member !== rule.member) continue;
      if (fits(rule) && strikes(active)) found.push(rule);
    }
    return found;
  }
}

function strikes(active: Active): boolean {
  const { rule } = active;
  active.calls++;
  if (active.calls < rule.from) return false;
  const most = rule.count ?? (lasts(rule) ? Number.POSITIVE_INFINITY : 1);
  if (active.hits >= most) return false;
  if (rule.share !== undefined && active.roll() >= rule.share) return false;
  if (rule.kind === 'rate' && inSecond(active) <= rule.perSecond) return false;
  active.hits++;
  return true;
}

const lasts = ({ kind, count, share }: Rule): boolean =>
  count === null || share !== undefined || LASTING.includes(kind);

function inSecond(active: Active): number {
  const at = Math.floor(Date.now() / 1000);
  if (active.second.at !== at) active.second = { at, calls: 0 };
  return ++active.second.calls;
}
