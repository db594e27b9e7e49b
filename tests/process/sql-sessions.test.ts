import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { SqlSessions } from '../../src/node/sql-sessions.ts';

const RUNAWAY = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c';
const timeoutMs = 5000;

let dir: string;
let sessions: SqlSessions;
let actor: AbortController;
const sqlDir = () => join(dir, 'sql');
const databasePath = () => join(dir, 'data', 'd.sqlite');

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skein-sessions-'));
  await mkdir(join(dir, 'data'));
  using database = new DatabaseSync(databasePath());
  database.exec("CREATE TABLE t (a); INSERT INTO t VALUES ('pristine')");
  sessions = new SqlSessions(sqlDir());
  actor = new AbortController();
});
afterEach(async () => {
  await sessions.stop();
  await chmod(join(dir, 'data'), 0o755);
  await rm(dir, { recursive: true, force: true });
});

const open = () => sessions.open({ databasePath: databasePath() }, actor.signal);

describe('SQL sessions', () => {
  it('give each task a copy of its own and leave the dataset as it is (V-22, 3C-02)', async () => {
    const before = await readFile(databasePath());
    const [one, two] = await Promise.all([open(), open()]);
    await sessions.run({ ...one, sql: "UPDATE t SET a = 'changed'", timeoutMs });
    expect(await sessions.run({ ...one, sql: 'SELECT a FROM t', timeoutMs })).toMatchObject({ rows: [['changed']] });
    expect(await sessions.run({ ...two, sql: 'SELECT a FROM t', timeoutMs })).toMatchObject({ rows: [['pristine']] });
    expect(await readFile(databasePath())).toEqual(before);
    expect(await readdir(join(dir, 'data'))).toEqual(['d.sqlite']);
  });

  it('see what stands in the WAL only, also when the dataset is read-only', async () => {
    const writer = new DatabaseSync(databasePath());
    try {
      writer.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; INSERT INTO t VALUES ('in the WAL')");
      expect((await stat(`${databasePath()}-wal`)).size).toBeGreaterThan(0);
      await chmod(join(dir, 'data'), 0o555);
      const session = await open();
      const outcome = await sessions.run({ ...session, sql: 'SELECT a FROM t ORDER BY a', timeoutMs });
      expect(outcome).toMatchObject({ rows: [['in the WAL'], ['pristine']] });
    } finally {
      writer.close();
    }
  });

  it('go back to the pristine state, also after a statement was killed in the midst of writing', async () => {
    const session = await open();
    await sessions.run({ ...session, sql: `INSERT INTO t ${RUNAWAY.replace('count(*)', 'n')}`, timeoutMs: 100 });
    await sessions.run({ ...session, sql: 'DROP TABLE t', timeoutMs });
    await sessions.services()['sql.reset'](session, actor.signal);
    expect(await sessions.run({ ...session, sql: 'SELECT a FROM t', timeoutMs })).toMatchObject({
      rows: [['pristine']],
    });
  });

  it('answer again after a runaway statement, with what was written before it', async () => {
    const session = await open();
    await sessions.run({ ...session, sql: "INSERT INTO t VALUES ('kept')", timeoutMs });
    expect(await sessions.run({ ...session, sql: RUNAWAY, timeoutMs: 100 })).toMatchObject({ isTimeout: true });
    expect(await sessions.run({ ...session, sql: 'SELECT count(*) FROM t', timeoutMs })).toMatchObject({ rows: [[2]] });
  });

  it('end with their actor, whatever they are doing, and leave no copy', async () => {
    const session = await open();
    const running = sessions.run({ ...session, sql: RUNAWAY, timeoutMs: 60_000 }).catch((error: unknown) => error);
    actor.abort();
    await running;
    await vi.waitFor(async () => expect(await readdir(sqlDir())).toEqual(['templates']), 5000);
    await expect(sessions.run({ ...session, sql: 'SELECT 1', timeoutMs })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('are refused to an actor that is dead and after stop', async () => {
    const opening = open();
    actor.abort();
    await expect(opening).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(open()).rejects.toMatchObject({ code: 'CANCELLED' });
    await sessions.stop();
    expect(await readdir(dir)).toEqual(['data']);
    actor = new AbortController();
    await expect(open()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(sessions.openCount).toBe(0);
  });

  it('name a database that is absent, and a file that is none', async () => {
    const request = { databasePath: join(dir, 'absent.sqlite') };
    await expect(sessions.open(request, actor.signal)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(/absent\.sqlite/),
    });
    await writeFile(databasePath(), 'certainly no database, but long enough to be read as one'.repeat(20));
    await expect(open()).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringMatching(/d\.sqlite/) });
    expect(sessions.openCount).toBe(0);
  });
});
