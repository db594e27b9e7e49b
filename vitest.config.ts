/**
 * The kinds of test, each with its own folder, budget and worker settings. `npm test` runs all of them; a suite that
 * needs something the machine lacks (the real dataset, the real SLayer, a Docker engine) skips itself and prints one line
 * that says why.
 */
import { defineConfig } from 'vitest/config';

const kind = (name: string, testTimeoutMs: number, extra: object = {}) => ({
  test: {
    name,
    include: [`tests/${name}/**/*.test.ts`],
    testTimeout: testTimeoutMs,
    hookTimeout: testTimeoutMs,
    ...extra,
  },
});

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ['default', './tests/helpers/budget-reporter.ts'],
    projects: [
      kind('unit', 10_000),
      kind('contract', 20_000),
      kind('threads', 20_000),
      kind('process', 60_000),
      kind('crash', 120_000),
      kind('slayer', 180_000),
      kind('cloud', 180_000, { globalSetup: ['tests/helpers/containers/global-setup.ts'] }),
      // Last and by itself: its faults are timed, and other files beside it would be faults of their own.
      kind('system', 420_000, { sequence: { groupOrder: 1 } }),
    ],
  },
});
