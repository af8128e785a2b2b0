import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that wait for other programs for minutes; begun last, one of them would be waited for by itself. */
const LONG =
  /tests\/(spark\/(python|kms-calls)|engines\/agree|workflow\/parity|composer\/|cli\/options|run\/samples)/;

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const long = (file: TestSpecification): boolean => LONG.test(file.moduleId);
    return [...sorted.filter(long), ...sorted.filter((file) => !long(file))];
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
    sequence: { sequencer: LongestFirst },
  },
});
