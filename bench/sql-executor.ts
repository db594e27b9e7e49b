/**
 * How fast an SQL executor is there, and how soon a runaway statement is an error after its deadline. Absolute targets;
 * medians of ten.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { SqlExecutor } from '../src/node/sql-executor.ts';
import { atMost, median, type BenchRow } from './row.ts';

const ROUNDS = 10;
const DEADLINE_MS = 100;
const RUNAWAY = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c';

export async function run(): Promise<BenchRow[]> {
  const dir = await mkdtemp(join(tmpdir(), 'skein-bench-sql-'));
  try {
    const path = join(dir, 'd.sqlite');
    {
      using database = new DatabaseSync(path);
      database.exec('CREATE TABLE t (a); INSERT INTO t VALUES (1)');
    }
    const readyMs: number[] = [];
    const lateMs: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      let startMs = performance.now();
      await using executor = new SqlExecutor(path);
      await executor.start();
      readyMs.push(performance.now() - startMs);

      startMs = performance.now();
      const outcome = await executor.run(RUNAWAY, { timeoutMs: DEADLINE_MS });
      lateMs.push(performance.now() - startMs - DEADLINE_MS);
      if (outcome.kind !== 'error' || !outcome.isTimeout) throw new Error(`not killed: ${JSON.stringify(outcome)}`);
    }
    return [
      atMost('SQL executor ready', 'ms', median(readyMs), 50, `max ${Math.max(...readyMs).toFixed(1)}`),
      atMost(
        'runaway SQL: error after its deadline',
        'ms',
        median(lateMs),
        50,
        `max ${Math.max(...lateMs).toFixed(1)}`,
      ),
    ];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
