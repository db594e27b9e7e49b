/** A dataset of so many tasks over four tiny databases, for the `noop` framework. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export async function makeNoopDataset(dir: string, tasks: number): Promise<void> {
  const databases = ['alpha', 'beta', 'gamma', 'delta'];
  for (const database of databases) {
    await mkdir(join(dir, database), { recursive: true });
    const db = new DatabaseSync(join(dir, database, `${database}.sqlite`));
    db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'x')");
    db.close();
    await writeFile(join(dir, database, `${database}_kb.jsonl`), '');
    await writeFile(join(dir, database, `${database}_column_meaning_base.json`), '{}');
  }
  const lines = Array.from({ length: tasks }, (_, i) => {
    const selected_database = databases[i % databases.length];
    return JSON.stringify({
      instance_id: `${selected_database}_${i}`,
      selected_database,
      amb_user_query: 'q',
      sol_sql: [],
    });
  });
  await writeFile(join(dir, 'mini_interact.jsonl'), `${lines.join('\n')}\n`);
}
