/**
 * Around all suites in containers: first away with what runs left that died, at the end nothing of ours may be left;
 * if something is, it is removed and the run fails.
 */
import type { TestProject } from 'vitest/node';

import { engineIsThere, whyNoEngine } from './engine.ts';

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const run = String(process.pid);
  project.provide('skeinTestRun', run);
  if (!engineIsThere()) {
    process.stdout.write(`skipped: suites in containers: ${whyNoEngine()}\n`);
    return undefined;
  }
  const { sweepDeadRuns, sweepRun } = await import('./sweep.ts');
  await sweepDeadRuns();
  return async () => {
    const left = await sweepRun(run);
    if (left.length === 0) return;
    process.exitCode = 1;
    throw new Error(`left behind by tests: ${left.map(({ kind, name }) => `${kind} ${name}`).join(', ')}`);
  };
}
