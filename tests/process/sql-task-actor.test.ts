import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DatabaseSync } from 'node:sqlite';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createActor, type ActorHandle } from '../../src/driver/handle.ts';
import type { Task } from '../../src/dataset/task.ts';
import type { TaskAssignment, TaskOutcome } from '../../src/frameworks/assignment.ts';
import { DEFAULT_MODEL_SETTINGS, type FrameworkSettings } from '../../src/frameworks/framework.ts';
import { compiledPath } from '../../src/kernel/compiled.ts';
import { ActorHost } from '../../src/node/actor-host.ts';
import { SqlSessions } from '../../src/node/sql-sessions.ts';
import { taskOf } from '../helpers/task-of.ts';

const RUNAWAY = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c';
const SETTINGS: FrameworkSettings = {
  ...DEFAULT_MODEL_SETTINGS,
  framework: 'encode',
  queryMode: 'slayer',
  mode: 'oracle',
  slayerSetup: 'on-the-fly',
  encoder: 'rules',
  sqlTimeoutMs: 300,
};

let dir: string;
let host: ActorHost;
let sessions: SqlSessions;
let started = 0;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skein-task-actor-'));
  await mkdir(join(dir, 'geese'));
  using database = new DatabaseSync(join(dir, 'geese', 'geese.sqlite'));
  database.exec("CREATE TABLE goose (name TEXT); INSERT INTO goose VALUES ('Ada'), ('Bo')");
  sessions = new SqlSessions(join(dir, 'sql'));
  host = new ActorHost({ logDir: join(dir, 'actors'), env: {} });
});
afterEach(async () => {
  expect(await host.stop()).toBe(0);
  await sessions.stop();
  await rm(dir, { recursive: true, force: true });
});

function startActor(settings: Partial<FrameworkSettings> = {}): ActorHandle {
  const module = pathToFileURL(
    compiledPath('./task-actor.js', new URL('../../src/frameworks/task-actor.ts', import.meta.url).href),
  ).href;
  return createActor(host, {
    className: 'TaskActor',
    location: { module, exportName: 'TaskActor' },
    args: [{ ...SETTINGS, ...settings }],
    maxConcurrency: 1,
    services: sessions.services(),
  });
}

function assignmentOf(fields: Partial<Task>): TaskAssignment {
  const name = `t${started++}`;
  return {
    task: taskOf(fields),
    attempt: 1,
    runId: 'r',
    scratchDir: join(dir, 'scratch', name),
    databasePath: join(dir, 'geese', 'geese.sqlite'),
    datasetDir: dir,
    cacheRoot: join(dir, 'cache'),
    referenceRoot: join(dir, 'reference'),
    setupSessionsRoot: join(dir, 'sessions'),
    reference: { kind: 'build', epoch: 0 },
  };
}

const run = async (actor: ActorHandle, assignment: TaskAssignment) =>
  (await actor.call('runTask', [assignment]).promise()) as TaskOutcome;

describe('a task actor in mode oracle', () => {
  it('submits the gold SQL, scores it, and leaves a whole row, a log with timings and no scratch (3A-01, 3A-06, 3A-11, 3A-17, 3B-01, V-17, V-24, P-47)', async () => {
    const assignment = assignmentOf({ sol_sql: ['SELECT name FROM goose'] });
    const before = Date.now() / 1000;
    const actor = startActor();
    const { row, builtReferences, timingsMs } = await run(actor, assignment);
    expect(row).toMatchObject({
      instance_id: 'geese_1',
      task_id: 'geese_1',
      database: 'geese',
      framework: 'oracle',
      query_mode: 'raw',
      phase1_passed: true,
      total_reward: 1,
      submitted_sql: 'SELECT name FROM goose',
      ground_truth_sql: 'SELECT name FROM goose',
      submission_status: 'passed_phase1',
      error: null,
      user_query: 'Which geese?',
    });
    expect(row.started_at).toBeGreaterThanOrEqual(before);
    expect(row.duration_s).toBeGreaterThan(0);
    expect(builtReferences).toEqual([]);
    expect(Object.keys(timingsMs)).toEqual(expect.arrayContaining(['framework', 'sql.open', 'sql', 'task']));
    const log = await readFile(String(actor.logPath), 'utf8');
    expect(log).toMatch(
      /\[timing\] sql\.open start[\s\S]*\[timing\] sql\.open done \(\d+\.\d{3} s\)[\s\S]*passed_phase1/,
    );
    expect(await readdir(dir)).not.toContain('scratch');
  });

  it('gives an error row for SQL without end soon after the deadline, and goes on with the next task', async () => {
    const actor = startActor();
    const { row } = await run(actor, assignmentOf({ sol_sql: [RUNAWAY] }));
    expect(row).toMatchObject({
      submission_status: 'sql_runtime_error',
      error: expect.stringMatching(/300 ms/),
      submitted_sql: RUNAWAY,
    });
    const next = await run(actor, assignmentOf({ sol_sql: ['SELECT 1'] }));
    expect(next.row.submission_status).toBe('passed_phase1');
  });

  it('gives an error row that names what is missing where there is no gold SQL', async () => {
    const { row } = await run(startActor(), assignmentOf({ sol_sql: [] }));
    expect(row).toMatchObject({
      submission_status: 'never_submitted',
      error: expect.stringMatching(/geese_1.*sol_sql/),
    });
  });

  it('turns what is thrown into the row, the stack into the log, and lives on (W-04, 3A-18)', async () => {
    const actor = startActor();
    const assignment = { ...assignmentOf({ sol_sql: ['SELECT 1'] }), databasePath: join(dir, 'gone.sqlite') };
    const { row } = await run(actor, assignment);
    expect(row).toMatchObject({
      submission_status: 'never_submitted',
      error: expect.stringMatching(/gone\.sqlite/),
      database: 'geese',
      user_query: 'Which geese?',
      n_agent_turns: 0,
      ground_truth_sql: null,
    });
    expect(await readFile(String(actor.logPath), 'utf8')).toMatch(/gone\.sqlite[\s\S]*\n\s+at /);
    expect((await run(actor, assignmentOf({ sol_sql: ['SELECT 1'] }))).row.error).toBeNull();
  });

  it('leaves no session when it is killed in the midst of a statement', async () => {
    const actor = startActor({ sqlTimeoutMs: 60_000 });
    const lost = run(actor, assignmentOf({ sol_sql: [RUNAWAY] })).catch((error: unknown) => error);
    for (const end = performance.now() + 10_000; sessions.openCount === 0 && performance.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    actor.kill();
    expect(await lost).toMatchObject({ name: 'ActorDiedError' });
    await actor.died;
    expect(sessions.openCount).toBe(0);
  });
});

describe('a task actor with the noop framework', () => {
  it('gives a bare row', async () => {
    const { row } = await run(startActor({ mode: 'a-interact', framework: 'noop' }), assignmentOf({}));
    expect(row).toMatchObject({
      submission_status: 'never_submitted',
      error: null,
      framework: 'noop',
      query_mode: 'slayer',
    });
  });
});
