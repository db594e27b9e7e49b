/** A dataset of one small database whose knowledge base has a chain, a cycle, an unknown child and a collision. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import type { KbRow } from '../../src/dataset/task.ts';

export function kbRow(id: number, children: KbRow['children_knowledge'], fields: Partial<KbRow> = {}): KbRow {
  return {
    id,
    knowledge: `Item ${id}`,
    description: `What item ${id} says`,
    definition: `x_${id} = 1`,
    type: 'calculation_knowledge',
    children_knowledge: children,
    ...fields,
  };
}

/**
 * 0 ← 1 ← 2, where 1 also names 99, which is not there; 3 ⇄ 4 is a cycle and 5 stands on it; 6 and 7 both write the
 * entity `twin`, 8 uses it; 9 is deferred by the fake encoder, 10 fails in it.
 */
export const KB: readonly KbRow[] = [
  kbRow(0, -1),
  kbRow(1, [0, 99]),
  kbRow(2, 1),
  kbRow(3, [4]),
  kbRow(4, [3]),
  kbRow(5, [4, 0]),
  kbRow(6, null, { definition: 'writes twin' }),
  kbRow(7, null, { definition: 'writes twin' }),
  kbRow(8, [6], { definition: 'uses twin' }),
  kbRow(9, -1, { definition: 'defer' }),
  kbRow(10, -1, { definition: 'fail' }),
];

/** Makes the dataset at `dir`, with one task a database. */
export async function writeKbDataset(dir: string, databases: readonly string[], kb = KB): Promise<void> {
  await mkdir(dir, { recursive: true });
  const tasks = databases.map((database) => ({
    instance_id: `${database}_1`,
    selected_database: database,
    amb_user_query: 'How many?',
  }));
  await writeFile(join(dir, 'mini_interact.jsonl'), tasks.map((task) => JSON.stringify(task)).join('\n'));
  for (const database of databases) {
    await mkdir(join(dir, database));
    const at = (name: string): string => join(dir, database, name);
    using sqlite = new DatabaseSync(at(`${database}.sqlite`));
    sqlite.exec(`CREATE TABLE items (id INTEGER PRIMARY KEY, label TEXT, price REAL);
      CREATE TABLE orders (id INTEGER PRIMARY KEY, item_id INTEGER REFERENCES items (id), amount INTEGER);
      INSERT INTO items VALUES (1, 'cup', 2.5), (2, 'pot', 9.0);
      INSERT INTO orders VALUES (1, 1, 4), (2, 2, 1);`);
    await writeFile(at(`${database}_kb.jsonl`), kb.map((row) => JSON.stringify(row)).join('\n'));
    const meanings = { [`${database}|items|price`]: 'What one costs', [`${database}|orders|amount`]: 'How many' };
    await writeFile(at(`${database}_column_meaning_base.json`), JSON.stringify(meanings));
  }
}
