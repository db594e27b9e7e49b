/** The dataset that the repository ships. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { generate } from '../../../examples/generate.ts';
import { openDataset } from '../../../src/dataset/dataset.ts';
import type { Dataset } from '../../../src/dataset/dataset.ts';
import { childIds, deletedKbIds } from '../../../src/dataset/knowledge.ts';
import { checkSqliteFile } from '../../../src/dataset/sqlite-file.ts';

const SHIPPED = new URL('../../../examples/mini-interact', import.meta.url).pathname;

describe('the example dataset', () => {
  let dir: string;
  let dataset: Dataset;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'skein-examples-'));
    dataset = await openDataset(SHIPPED);
    await Promise.all(dataset.databases.map((name) => dataset.copyDatabase(name, join(dir, `${name}.sqlite`))));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const open = (name: string): DatabaseSync => new DatabaseSync(join(dir, `${name}.sqlite`), { readOnly: true });

  test('is what its generator makes: the same texts, and databases with the same content', async () => {
    const made = join(dir, 'made');
    generate(made);
    const names = (await readdir(SHIPPED, { recursive: true })).sort();
    expect((await readdir(made, { recursive: true })).sort()).toEqual(names);
    for (const name of names) {
      if (!(await stat(join(SHIPPED, name))).isFile()) continue;
      const [shipped, fresh] = await Promise.all([readFile(join(SHIPPED, name)), readFile(join(made, name))]);
      // SQLite notes its own version in the header; that may differ, and nothing else.
      for (const bytes of [shipped, fresh]) if (name.endsWith('.sqlite')) bytes.fill(0, 92, 100);
      expect(fresh.equals(shipped), name).toBe(true);
    }
  });

  test('has at least 3 small databases, one of them in WAL mode, and at least 18 tasks', async () => {
    expect(dataset.databases.length).toBeGreaterThanOrEqual(3);
    expect(dataset.tasks.length).toBeGreaterThanOrEqual(18);
    const journals = await Promise.all(dataset.databases.map((name) => checkSqliteFile(dataset.databasePath(name))));
    expect(journals).toContain('wal');
    for (const name of dataset.databases) {
      await dataset.checkDatabase(name);
      expect((await stat(dataset.databasePath(name))).size).toBeLessThan(200_000);
    }
  });

  test('has gold SQL that runs and finds something for every task', () => {
    for (const task of dataset.tasks) {
      using database = open(task.selected_database);
      expect(task.sol_sql).toHaveLength(1);
      expect(database.prepare(task.sol_sql[0]!).all().length, task.instance_id).toBeGreaterThan(0);
    }
    const ordered = dataset.tasks.filter((task) => task.conditions?.order === true);
    expect(ordered.length).toBeGreaterThan(3);
    expect(ordered.length).toBeLessThan(dataset.tasks.length);
  });

  test('keeps its foreign keys, some of them composite', () => {
    let composite = 0;
    for (const name of dataset.databases) {
      using database = open(name);
      expect(database.prepare('PRAGMA foreign_key_check').all()).toEqual([]);
      const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
      for (const { name: table } of tables) {
        composite += database
          .prepare(`SELECT 1 FROM pragma_foreign_key_list(?) WHERE seq = 1`)
          .all(String(table)).length;
      }
    }
    expect(composite).toBeGreaterThan(2);
  });

  test('has knowledge with dependencies, a cycle, and items that some tasks may not see', async () => {
    const masked = dataset.tasks.filter((task) => deletedKbIds(task).length > 0);
    expect(masked.length).toBeGreaterThan(2);
    let cycles = 0;
    for (const name of dataset.databases) {
      const kb = new Map((await dataset.kb(name)).map((row) => [row.id, row]));
      expect(new Set([...kb.values()].map((row) => row.type)).size).toBe(3);
      for (const row of kb.values()) for (const child of childIds(row)) expect(kb.has(child)).toBe(true);
      for (const task of dataset.tasks) {
        if (task.selected_database !== name) continue;
        for (const id of [...task.external_knowledge, ...deletedKbIds(task)]) expect(kb.has(id)).toBe(true);
      }
      const reaches = (from: number, goal: number, seen = new Set<number>()): boolean =>
        childIds(kb.get(from)!).some((child) => {
          if (child === goal) return true;
          if (seen.has(child)) return false;
          seen.add(child);
          return reaches(child, goal, seen);
        });
      cycles += [...kb.keys()].filter((id) => reaches(id, id)).length;
    }
    expect(cycles).toBe(3);
  });
});
