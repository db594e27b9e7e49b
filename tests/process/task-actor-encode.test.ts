import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openDataset } from '../../src/dataset/dataset.ts';
import { createActor, type ActorHandle } from '../../src/driver/handle.ts';
import type { TaskAssignment, TaskOutcome } from '../../src/frameworks/assignment.ts';
import type { BuiltReferenceReport } from '../../src/frameworks/reference-actor.ts';
import { compiledPath } from '../../src/kernel/compiled.ts';
import { ActorHost } from '../../src/node/actor-host.ts';
import { LockKeeper, lockServices } from '../../src/node/lock-keeper.ts';

const DATASET = resolve('examples/mini-interact');

let dir: string;
let host: ActorHost;
let locks: LockKeeper;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skein-encode-actor-'));
  host = new ActorHost({ logDir: join(dir, 'actors'), env: {} });
  locks = new LockKeeper();
});
afterEach(async () => {
  expect(await host.stop()).toBe(0);
  expect(locks.held).toEqual([]);
  await locks[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

function start(className: string, file: string, args: readonly unknown[]): ActorHandle {
  const from = new URL(`../../src/frameworks/${file}.ts`, import.meta.url).href;
  const module = pathToFileURL(compiledPath(`./${file}.js`, from)).href;
  const location = { module, exportName: className };
  return createActor(host, { className, location, args, maxConcurrency: 1, services: lockServices(locks) });
}

const roots = () => ({ datasetDir: DATASET, cacheRoot: join(dir, 'cache'), referenceRoot: join(dir, 'reference') });

describe('a task actor with the framework encode', () => {
  it('builds a reference once for all actors of the machine, says so to its daemon, and leaves the bundle (R-07)', async () => {
    const dataset = await openDataset(DATASET);
    const settings = {
      framework: 'pydantic_ai_otf_encode',
      queryMode: 'slayer',
      mode: 'a-interact',
      slayerSetup: 'on-the-fly',
      encoder: 'rules',
      sqlTimeoutMs: 1000,
    };
    const actors = [start('TaskActor', 'task-actor', [settings]), start('TaskActor', 'task-actor', [settings])];
    const tasks = dataset.tasks.filter((task) => task.selected_database === 'ferries').slice(0, 2);
    const assignments = tasks.map((task): TaskAssignment => ({
      ...roots(),
      task,
      attempt: 1,
      runId: 'r',
      scratchDir: join(dir, 'scratch', task.instance_id),
      databasePath: dataset.databasePath('ferries'),
      setupSessionsRoot: join(dir, 'sessions'),
      reference: { kind: 'build', epoch: 0 },
    }));
    const outcomes = (await Promise.all(
      assignments.map(async (assignment, index) => await actors[index]?.call('runTask', [assignment]).promise()),
    )) as TaskOutcome[];
    for (const { row } of outcomes) {
      expect(row).toMatchObject({ error: null, database: 'ferries', submission_status: 'never_submitted' });
    }
    const built = outcomes.flatMap(({ builtReferences }) => builtReferences);
    expect(built).toEqual([
      {
        database: 'ferries',
        dir: join(dir, 'reference', 'ferries'),
        fingerprint: outcomes[0]?.row.reference_fingerprint,
      },
    ]);
    for (const [index, { scratchDir }] of assignments.entries()) {
      expect((await readdir(scratchDir)).sort()).toEqual(['INDEX.md', 'coverage.json', 'slayer_storage']);
      const log = await readFile(String(actors[index]?.logPath), 'utf8');
      expect(log).toMatch(/\[timing\] reference start[\s\S]*\[timing\] reference done/);
    }
  });
});

describe('a reference actor', () => {
  it('builds, then reuses, and counts by type', async () => {
    const actor = start('ReferenceActor', 'reference-actor', []);
    const request = { ...roots(), database: 'ferries', encoder: 'rules', setupSessionsRoot: join(dir, 'sessions') };
    const build = async () => (await actor.call('build', [request]).promise()) as BuiltReferenceReport;
    const first = await build();
    const kb = await (await openDataset(DATASET)).kb('ferries');
    expect(first).toMatchObject({ database: 'ferries', wasBuilt: true });
    const { encoded, deferred, error } = first.counts;
    expect(encoded + deferred + error).toBe(kb.length);
    expect(Object.keys(first.countsByType).sort()).toEqual([...new Set(kb.map((row) => row.type))].sort());
    expect(await build()).toMatchObject({ wasBuilt: false, fingerprint: first.fingerprint, counts: first.counts });
  });
});
