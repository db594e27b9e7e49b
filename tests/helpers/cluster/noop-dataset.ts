/**
 * A dataset whose tasks do nothing for as long as the test says, and whose every start is written to a journal that no part
 * of the product reads: an account of what ran that is independent of what the product believes.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import type { NoopRecord } from '../../../src/frameworks/noop.ts';

export interface NoopDatasetOptions {
  readonly tasks: number;
  readonly databases?: number;
  /** Begin of each database's name, so that two datasets share none. Default `d`. */
  readonly prefix?: string;
  /** How long task `index` takes; default 0. */
  readonly ms?: (index: number) => number;
  /** Whether starts are written down. Default true. */
  readonly hasJournal?: boolean;
  /** More fields of task `index`: `noop_dies` … */
  readonly fields?: (index: number) => Readonly<Record<string, unknown>>;
}

export interface NoopDataset {
  readonly dir: string;
  readonly ids: readonly string[];
  readonly journal: string;
  /** What the tasks wrote down so far. */
  records(): Promise<NoopRecord[]>;
}

export async function makeNoopDataset(dir: string, options: NoopDatasetOptions): Promise<NoopDataset> {
  const { tasks, databases = 4, prefix = 'd', ms = () => 0, hasJournal = true, fields = () => ({}) } = options;
  const names = Array.from({ length: databases }, (_, index) => `${prefix}${index}`);
  for (const name of names) {
    await mkdir(join(dir, name), { recursive: true });
    using database = new DatabaseSync(join(dir, name, `${name}.sqlite`));
    database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'x')");
    await writeFile(join(dir, name, `${name}_kb.jsonl`), '');
    await writeFile(join(dir, name, `${name}_column_meaning_base.json`), '{}');
  }
  const journal = join(dir, 'starts.noop-journal');
  await writeFile(journal, '');
  const lines = Array.from({ length: tasks }, (_, index) => {
    const database = names[index % names.length] as string;
    return {
      instance_id: `${database}_${index}`,
      selected_database: database,
      amb_user_query: 'nothing',
      sol_sql: [],
      noop_ms: ms(index),
      ...(hasJournal && { noop_journal: journal }),
      ...fields(index),
    };
  });
  await writeFile(join(dir, 'mini_interact.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return {
    dir,
    ids: lines.map(({ instance_id }) => instance_id),
    journal,
    records: async () => {
      const text = await readFile(journal, 'utf8');
      // Tasks append while it is read: a line that does not end yet is of the next look.
      return text
        .slice(0, text.lastIndexOf('\n') + 1)
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as NoopRecord);
    },
  };
}
