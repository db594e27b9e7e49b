/**
 * A dataset in BIRD-Interact's layout: a folder with a tasks file and one folder a database,
 * `<db>/{<db>.sqlite, <db>_kb.jsonl, <db>_column_meaning_base.json}`.
 *
 * Not here: what is built from it (`src/reference/`).
 *
 * Invariants: D1 nothing is ever written into the dataset, and its SQLite files are copied before they are opened.
 * D2 opening costs one read of the tasks file and one look per database; what lies inside a database's folder is
 * checked by `checkDatabase`, for the databases that a run selects. D3 bad input is one SkeinError INVALID_INPUT that
 * names file, line, field and value.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';

import { asError, SkeinError, systemCode } from '../kernel/errors.ts';
import { isName } from '../kernel/ids.ts';
import { parseKb, parseMeanings } from './knowledge.ts';
import { checkSqliteFile, copySqliteFile } from './sqlite-file.ts';
import { parseTasks } from './tasks-file.ts';
import type { ColumnMeanings, KbRow, Task } from './task.ts';

/** The name of the tasks file where the root holds several `*.jsonl`. */
export const TASKS_FILE = 'mini_interact.jsonl';

/** The files of one database inside a dataset at `dir`; whether they exist is not looked at. */
export function databaseFiles(dir: string, database: string): { sqlite: string; kb: string; meanings: string } {
  const folder = join(dir, database);
  return {
    sqlite: join(folder, `${database}.sqlite`),
    kb: join(folder, `${database}_kb.jsonl`),
    meanings: join(folder, `${database}_column_meaning_base.json`),
  };
}

export interface Dataset {
  /** Absolute. */
  readonly dir: string;
  /** Absolute path of the tasks file. */
  readonly tasksPath: string;
  /** In file order. */
  readonly tasks: readonly Task[];
  readonly taskById: ReadonlyMap<string, Task>;
  /** Every database that the folder holds, sorted, with tasks or without. */
  readonly databases: readonly string[];
  /** The SQLite file of `database`, absolute. Copy it before opening (`copyDatabase`). */
  databasePath(database: string): string;
  /** @throws SkeinError INVALID_INPUT: absent file, no JSON (file and line) … */
  kb(database: string): Promise<KbRow[]>;
  /** @throws SkeinError INVALID_INPUT */
  meanings(database: string): Promise<ColumnMeanings>;
  /** Whether `database` is whole: all three files there, SQLite's header right, KB and meanings readable. @throws SkeinError INVALID_INPUT */
  checkDatabase(database: string): Promise<void>;
  /** A private, writable copy at `targetPath`, in rollback-journal mode. @throws SkeinError INVALID_INPUT */
  copyDatabase(database: string, targetPath: string): Promise<void>;
}

/**
 * Opens the dataset at `dir`.
 * @param field how an error calls it; default `--dataset`
 * @throws SkeinError INVALID_INPUT: folder absent or empty, no tasks file, a broken line, an id illegal or used twice, a task whose database is not there
 */
export async function openDataset(dir: string, field = '--dataset'): Promise<Dataset> {
  const root = resolve(dir);
  const names = await entriesOf(root, field);
  const tasksPath = join(root, tasksFileOf(root, names, field));
  const [tasks, databases] = await Promise.all([
    readText(tasksPath).then((text) => parseTasks(tasksPath, text)),
    databasesOf(root, names),
  ]);
  const there = new Set(databases);
  for (const { instance_id: id, selected_database: database } of tasks) {
    if (there.has(database)) continue;
    const { sqlite } = databaseFiles(root, database);
    throw invalid(
      `${basename(tasksPath)}: task ${id}: selected_database: ${JSON.stringify(database)} is not in the dataset: there is no ${sqlite}`,
    );
  }
  return new FolderDataset(root, tasksPath, tasks, databases);
}

class FolderDataset implements Dataset {
  readonly dir: string;
  readonly tasksPath: string;
  readonly tasks: readonly Task[];
  readonly taskById: ReadonlyMap<string, Task>;
  readonly databases: readonly string[];

  constructor(dir: string, tasksPath: string, tasks: readonly Task[], databases: readonly string[]) {
    this.dir = dir;
    this.tasksPath = tasksPath;
    this.tasks = tasks;
    this.taskById = new Map(tasks.map((task) => [task.instance_id, task]));
    this.databases = databases;
  }

  databasePath(database: string): string {
    return databaseFiles(this.dir, database).sqlite;
  }

  kb(database: string): Promise<KbRow[]> {
    return readKb(this.dir, database);
  }

  meanings(database: string): Promise<ColumnMeanings> {
    return readMeanings(this.dir, database);
  }

  async checkDatabase(database: string): Promise<void> {
    await checkSqliteFile(this.databasePath(database));
    await Promise.all([this.kb(database), this.meanings(database)]);
  }

  copyDatabase(database: string, targetPath: string): Promise<void> {
    return copySqliteFile(this.databasePath(database), targetPath);
  }
}

/** The KB of one database, without opening the dataset. @throws SkeinError INVALID_INPUT */
export async function readKb(dir: string, database: string): Promise<KbRow[]> {
  const { kb } = databaseFiles(dir, database);
  return parseKb(kb, await readText(kb));
}

/** The column meanings of one database, without opening the dataset. @throws SkeinError INVALID_INPUT */
export async function readMeanings(dir: string, database: string): Promise<ColumnMeanings> {
  const { meanings } = databaseFiles(dir, database);
  return parseMeanings(meanings, await readText(meanings));
}

async function entriesOf(root: string, field: string): Promise<string[]> {
  try {
    const names = await readdir(root);
    if (names.length > 0) return names.sort();
  } catch (error) {
    const code = systemCode(error);
    const reason =
      code === 'ENOENT' ? 'there is no such folder' : code === 'ENOTDIR' ? 'that is no folder' : asError(error).message;
    const hint = `name a folder that holds ${TASKS_FILE} and a folder a database`;
    throw new SkeinError('INVALID_INPUT', `${field} ${JSON.stringify(root)}: ${reason}; ${hint}`, { cause: error });
  }
  throw invalid(
    `${field} ${JSON.stringify(root)}: the folder is empty; it must hold ${TASKS_FILE} and a folder a database`,
  );
}

function tasksFileOf(root: string, names: readonly string[], field: string): string {
  const candidates = names.filter((name) => name.endsWith('.jsonl') && !name.startsWith('.'));
  if (candidates.includes(TASKS_FILE)) return TASKS_FILE;
  const [only, second] = candidates;
  if (only !== undefined && second === undefined) return only;
  const found = only === undefined ? 'there is no *.jsonl' : `none of ${candidates.join(', ')} is called so`;
  throw invalid(`${field} ${JSON.stringify(root)}: it holds no tasks file ${TASKS_FILE}; ${found}`);
}

async function databasesOf(root: string, names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    names.filter(isName).map(async (name) => {
      const entry = await stat(databaseFiles(root, name).sqlite).catch(() => undefined);
      return entry?.isFile() ? name : undefined;
    }),
  );
  return found.filter((name) => name !== undefined);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const reason = systemCode(error) === 'ENOENT' ? 'there is no such file' : asError(error).message;
    throw new SkeinError('INVALID_INPUT', `${path}: ${reason}`, { cause: error });
  }
}

function invalid(message: string): SkeinError {
  return new SkeinError('INVALID_INPUT', message);
}
