import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // The component tests start real processes (the sandbox, Spark): slow by nature, never by accident.
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
