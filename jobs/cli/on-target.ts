import { unlessAborted } from '../google/bounds.ts';
import { type Interrupt, onInterrupt } from './interrupt.ts';
import { openTarget } from './open-target.ts';
import type { Target, TargetOptions } from './target.ts';

/**
 * Opens the stack, or the sandbox that is there, for a command that changes something, and closes it after the work.
 * Whoever interrupts it hears what became of it: the work says with `begun` from where on it may have changed something.
 *
 * @throws ResealError
 */
export async function onTarget(
  options: TargetOptions & { readonly json?: boolean },
  work: (target: Target, interrupt: Interrupt) => Promise<void>,
): Promise<void> {
  const interrupt = onInterrupt(options.json ?? false);
  let target: Target | undefined;
  try {
    const opening = openTarget({ ...options, mustExist: true }, (text) => process.stderr.write(text));
    target = await unlessAborted(opening, interrupt.signal);
    await work(target, interrupt);
  } catch (error) {
    throw interrupt.ended(error);
  } finally {
    await target?.close();
    interrupt.done();
  }
}
