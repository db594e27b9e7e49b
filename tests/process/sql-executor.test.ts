import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { compiledPath } from '../../src/kernel/compiled.ts';
import { SqlExecutor } from '../../src/node/sql-executor.ts';

const RUNAWAY = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c';

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skein-sql-'));
  path = join(dir, 'd.sqlite');
  using database = new DatabaseSync(path);
  database.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, label TEXT, weight REAL, data BLOB);
    INSERT INTO t VALUES (1, 'one', 1.5, x'00ff'), (2, 'two', NULL, NULL)`);
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** A process that has ended but whose new parent has not asked yet (a zombie) does not run. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    // No /proc (not Linux), or it ended just now.
    return !existsSync('/proc/self');
  }
}

async function until(what: string, holds: () => boolean, deadlineMs: number): Promise<void> {
  for (const end = performance.now() + deadlineMs; !holds(); await delay(5)) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
  }
}

describe('an SQL executor', () => {
  it('gives names, types and values as SQLite has them, also integers beyond 2^53, BLOBs and infinities', async () => {
    await using executor = new SqlExecutor(path);
    const outcome = await executor.run('SELECT id, label, weight, data, 9007199254740993 AS big, 9e999 AS inf FROM t', {
      timeoutMs: 5000,
    });
    expect(outcome).toEqual({
      kind: 'rows',
      columns: [
        { name: 'id', type: 'INTEGER' },
        { name: 'label', type: 'TEXT' },
        { name: 'weight', type: 'REAL' },
        { name: 'data', type: 'BLOB' },
        { name: 'big', type: 'INTEGER' },
        { name: 'inf', type: 'REAL' },
      ],
      rows: [
        [1, 'one', 1.5, new Uint8Array([0, 255]), 9007199254740993n, Infinity],
        [2, 'two', null, null, 9007199254740993n, Infinity],
      ],
      isTruncated: false,
    });
  });

  it('runs all statements and gives the rows of the last one that has a result', async () => {
    await using executor = new SqlExecutor(path);
    const sql = `SELECT 'first'; -- a ; in a comment
      INSERT INTO t (label) VALUES ('a;b'); SELECT label FROM t WHERE id = 3; DELETE FROM t; /* end */ ;`;
    expect(await executor.run(sql, { timeoutMs: 5000 })).toMatchObject({ rows: [['a;b']] });
    expect(await executor.run('SELECT * FROM t', { timeoutMs: 5000 })).toMatchObject({ rows: [] });
    expect(await executor.run(' -- nothing', { timeoutMs: 5000 })).toMatchObject({
      kind: 'rows',
      columns: [],
      rows: [],
    });
  });

  it('gives an error of the SQL as a value, and rolls back what it left open', async () => {
    await using executor = new SqlExecutor(path);
    const outcome = await executor.run('BEGIN; DELETE FROM t; SELECT * FROM nowhere', { timeoutMs: 5000 });
    expect(outcome).toEqual({ kind: 'error', message: 'no such table: nowhere', isTimeout: false });
    expect(await executor.run('SELECT count(*) FROM t', { timeoutMs: 5000 })).toMatchObject({ rows: [[2]] });
  });

  it('stops reading at the row cap and at the byte cap (N-09)', async () => {
    await using executor = new SqlExecutor(path);
    const endless = RUNAWAY.replace('count(*)', 'n');
    const capped = await executor.run(endless, { timeoutMs: 10_000, maxRows: 3 });
    expect(capped).toMatchObject({ rows: [[1], [2], [3]], isTruncated: true });
    const wide = endless.replace('SELECT n FROM', 'SELECT zeroblob(1000000) FROM');
    expect(await executor.run(wide, { timeoutMs: 10_000 })).toMatchObject({
      kind: 'error',
      message: expect.stringMatching(/larger than/),
    });
    const huge = await executor.run('SELECT length(hex(zeroblob(50000000)))', { timeoutMs: 10_000 });
    expect(huge).toMatchObject({ kind: 'error', message: expect.stringMatching(/too big/) });
  });

  it('refuses writes when read-only, even to SQL that tries to switch it off (3C-01)', async () => {
    await using executor = new SqlExecutor(path);
    const run = (sql: string, readOnly: boolean) => executor.run(sql, { timeoutMs: 5000, readOnly });
    expect(await run('DELETE FROM t', true)).toMatchObject({
      kind: 'error',
      message: expect.stringMatching(/readonly/),
    });
    expect(await run('PRAGMA query_only = OFF; DELETE FROM t', true)).toMatchObject({ message: 'not authorized' });
    expect(await run('DELETE FROM t', false)).toMatchObject({ kind: 'rows' });
  });

  it('reaches no other file', async () => {
    await using executor = new SqlExecutor(path);
    const other = join(dir, 'other.sqlite');
    for (const sql of [`ATTACH '${other}' AS o`, `VACUUM INTO '${other}'`]) {
      expect(await executor.run(sql, { timeoutMs: 5000 })).toMatchObject({ kind: 'error' });
    }
    expect(await executor.run('VACUUM', { timeoutMs: 5000 })).toMatchObject({ kind: 'rows' });
  });

  it('kills a runaway statement at its deadline, is rid of the process by then, and answers again (3C-03)', async () => {
    await using executor = new SqlExecutor(path);
    await executor.start();
    const pid = executor.pid as number;
    const startMs = performance.now();
    const outcome = await executor.run(RUNAWAY, { timeoutMs: 200 });
    expect(outcome).toEqual({
      kind: 'error',
      message: 'the SQL did not end within 200 ms and was killed',
      isTimeout: true,
    });
    expect(performance.now() - startMs).toBeLessThan(2000);
    expect(isRunning(pid)).toBe(false);
    expect(await executor.run('SELECT 1', { timeoutMs: 5000 })).toMatchObject({ rows: [[1]] });
    expect(executor.pid).not.toBe(pid);
  });

  it('says so when its process dies by itself, and starts another for the next statement', async () => {
    await using executor = new SqlExecutor(path);
    await executor.start();
    const running = executor.run(RUNAWAY, { timeoutMs: 10_000 });
    process.kill(executor.pid as number, 'SIGKILL');
    expect(await running).toMatchObject({ kind: 'error', isTimeout: false, isExecutorLost: true });
    expect(await executor.run('SELECT 1', { timeoutMs: 5000 })).toMatchObject({ rows: [[1]] });
  });

  it('names the file when it is no database', async () => {
    await using executor = new SqlExecutor(join(dir, 'no', 'such.sqlite'));
    await expect(executor.start()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/such\.sqlite/),
    });
  });

  it('is gone after close, in the midst of a statement too, and refuses what comes later', async () => {
    const executor = new SqlExecutor(path);
    await executor.start();
    const pid = executor.pid as number;
    const running = executor.run(RUNAWAY, { timeoutMs: 60_000 });
    const waiting = executor.run('SELECT 1', { timeoutMs: 60_000 });
    await setImmediate();
    const [sent, queued] = await Promise.all([running, waiting.catch((error: unknown) => error), executor.close()]);
    expect(isRunning(pid)).toBe(false);
    expect(sent).toMatchObject({ kind: 'error' });
    expect(queued).toMatchObject({ code: 'CANCELLED' });
    await expect(executor.run('SELECT 1', { timeoutMs: 1000 })).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('outlives a Ctrl-C that its daemon takes, for tasks that have their grace', async () => {
    const parent = daemon(
      `process.on('SIGINT', async () => {
         console.log(JSON.stringify((await running).kind), pid === executor.pid);
         process.exit();
       });
       const pid = executor.pid;
       const running = executor.run('SELECT count(*) FROM (${RUNAWAY.replace('count(*) FROM c', 'n FROM c LIMIT 2000000')})', { timeoutMs: 20000 });
       console.log('runs');`,
      { detached: true },
    );
    try {
      await once(parent.stdout, 'data', { signal: AbortSignal.timeout(10_000) });
      process.kill(-(parent.pid as number), 'SIGINT');
      const [line] = (await once(parent.stdout, 'data', { signal: AbortSignal.timeout(10_000) })) as [Buffer];
      expect(line.toString().trim()).toBe('"rows" true');
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it.skipIf(!existsSync('/proc/self'))('has nothing of its daemon’s environment (P-26)', async () => {
    process.env['SKEIN_TEST_CANARY'] = 'a-secret';
    try {
      await using executor = new SqlExecutor(path);
      await executor.start();
      expect(readFileSync(`/proc/${executor.pid}/environ`, 'latin1')).toBe('');
    } finally {
      delete process.env['SKEIN_TEST_CANARY'];
    }
  });

  it('dies with its daemon, even inside a statement that never ends', async () => {
    const parent = daemon(
      `void executor.run(${JSON.stringify(RUNAWAY)}, { timeoutMs: 600000 });
       console.log(executor.pid);`,
    );
    try {
      const [line] = (await once(parent.stdout, 'data', { signal: AbortSignal.timeout(10_000) })) as [Buffer];
      const pid = Number(line.toString());
      expect(isRunning(pid)).toBe(true);
      parent.kill('SIGKILL');
      await until(`executor ${pid} gone`, () => !isRunning(pid), 1000);
    } finally {
      parent.kill('SIGKILL');
    }
  });
});

/** A process with a started `executor` that then does what `body` says. */
function daemon(body: string, options: { detached?: boolean } = {}): ChildProcessWithoutNullStreams {
  const source = new URL('../../src/node/sql-executor.ts', import.meta.url).href;
  const script = `import { SqlExecutor } from ${JSON.stringify(compiledPath('./sql-executor.js', source))};
    const executor = new SqlExecutor(${JSON.stringify(path)});
    await executor.start();
    ${body}`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], options);
}
