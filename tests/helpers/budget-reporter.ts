/**
 * Prints what each kind of test cost against its budget, and writes the totals as JSON where `SKEIN_TEST_SUMMARY` says.
 * A kind over its budget is shown, not failed: speed is judged by people and by `bench/`, never by a timed test.
 */
import { writeFileSync } from 'node:fs';

import type { Reporter, TestModule } from 'vitest/node';

/** Seconds of its files, added up, that each kind may take; two files run at a time. */
const BUDGET_S: Readonly<Record<string, number>> = {
  unit: 60,
  contract: 60,
  threads: 60,
  process: 120,
  crash: 180,
  slayer: 180,
  cloud: 240,
  system: 600,
};

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  ms: number;
}

export default class BudgetReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const kinds = new Map<string, Tally>();
    for (const module of modules) {
      const tally = kinds.get(module.project.name) ?? { passed: 0, failed: 0, skipped: 0, ms: 0 };
      kinds.set(module.project.name, tally);
      tally.ms += module.diagnostic().duration;
      if (module.errors().length > 0) tally.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        tally[state === 'pending' ? 'failed' : state] += 1;
      }
    }
    const total: Tally = { passed: 0, failed: 0, skipped: 0, ms: 0 };
    console.log('\n kind       passed  failed  skipped   time   budget');
    for (const [kind, tally] of kinds) {
      for (const key of ['passed', 'failed', 'skipped', 'ms'] as const) total[key] += tally[key];
      const { passed, failed, skipped, ms } = tally;
      const budget = BUDGET_S[kind];
      const verdict = budget !== undefined && ms / 1000 > budget ? '  over budget' : '';
      const cells = [passed, failed, skipped].map((n) => String(n).padStart(7)).join(' ');
      console.log(
        ` ${kind.padEnd(9)}${cells} ${(ms / 1000).toFixed(1).padStart(6)}s ${String(budget ?? '-').padStart(6)}s${verdict}`,
      );
    }
    const target = process.env['SKEIN_TEST_SUMMARY'];
    if (target) writeFileSync(target, JSON.stringify(total));
  }
}
