import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { ensureVenv } from './jobs/spark/venv.ts';

/** A slow file waits for other programs for minutes. Started last, it would run on when all others are done. */
const isSlow = ({ moduleId }: TestSpecification): boolean => moduleId.endsWith('.slow.test.ts');
/** On a fresh machine the Python environment is two minutes of downloads away; the workflow's emulator runs in it, too. */
const asksForPython = ({ moduleId }: TestSpecification): boolean =>
  /ensureVenv\(\)|workflow\/emulator\.ts/.test(readFileSync(moduleId, 'utf8'));

/** Slow files first, and of these the ones that need no Python, while its environment is made beside them. */
class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const asking = new Set(sorted.filter(asksForPython));
    // Where it cannot be made, the files that ask for it fail with the reason.
    if (asking.size > 0) ensureVenv().catch(() => {});
    const places = (file: TestSpecification): number => (isSlow(file) ? (asking.has(file) ? 1 : 0) : 2);
    return sorted.sort((a, b) => places(a) - places(b));
  }
}

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // The component tests start real processes (the sandbox, Spark): slow by nature, never by accident.
    testTimeout: 180_000,
    hookTimeout: 300_000,
    // Much of the time is spent waiting for those processes: twice as many workers as there are cores.
    maxWorkers: availableParallelism() * 2,
    sequence: { sequencer: SlowFirst },
  },
});
