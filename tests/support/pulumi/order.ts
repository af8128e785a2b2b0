import type { Registered } from './engine.ts';

/** What a resource waits for, and what that waits for. */
function awaited(one: Registered, all: ReadonlyMap<string, Registered>): Set<Registered> {
  const found = new Set<Registered>();
  const follow = ({ dependencies }: Registered): void => {
    for (const urn of dependencies) {
      const before = all.get(urn);
      if (before === undefined || found.has(before)) continue;
      found.add(before);
      follow(before);
    }
  };
  follow(one);
  return found;
}

/** The wanted order, but each resource behind what it waits for, which comes no earlier than it has to. */
function early(wanted: readonly Registered[], all: ReadonlyMap<string, Registered>): Registered[] {
  const order = new Set<Registered>();
  const place = (one: Registered): void => {
    if (order.has(one)) return;
    for (const urn of one.dependencies) {
      const before = all.get(urn);
      if (before !== undefined) place(before);
    }
    order.add(one);
  };
  for (const one of wanted) place(one);
  return [...order];
}

/**
 * Orders in which the engine may create the resources, few and yet enough: of any two of which one does not wait for
 * the other, each comes first in one of them. So whatever a resource needs without saying so comes after it in one.
 */
export function worstOrders(registered: readonly Registered[]): Registered[][] {
  const custom = registered.filter((one) => one.custom);
  const all = new Map(custom.map((one) => [one.urn, one]));
  /** By resource, those that have yet to come after it. */
  const open = new Map(
    custom.map((one) => {
      const before = awaited(one, all);
      return [one, new Set(custom.filter((other) => other !== one && !before.has(other)))];
    }),
  );
  const missing = (one: Registered): number => open.get(one)?.size ?? 0;
  const orders: Registered[][] = [];
  // The first of an order comes behind nothing but what it waits for: each order closes at least one resource.
  while (custom.some((one) => missing(one) > 0)) {
    const order = early(
      [...custom].sort((a, b) => missing(b) - missing(a)),
      all,
    );
    order.forEach((one, at) => {
      for (const later of order.slice(at + 1)) open.get(one)?.delete(later);
    });
    orders.push(order);
  }
  return orders;
}
