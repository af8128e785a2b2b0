import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** A slow file waits for other programs for minutes. Started last, it would run on when all others are done. */
const isSlow = (file: TestSpecification): boolean => file.moduleId.endsWith('.slow.test.ts');

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // The component tests start real processes (the sandbox, Spark): slow by nature, never by accident.
    testTimeout: 180_000,
    hookTimeout: 300_000,
    // Much of the time is spent waiting for those processes.
    maxWorkers: '100%',
    sequence: { sequencer: SlowFirst },
  },
});
