/** Writes an example database and its files in BIRD-Interact's layout. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import type { Example, ExampleTask, Value } from './example.ts';
import { Random } from './random.ts';

/** Writes `<root>/<name>/` anew; gives its lines of the tasks file. */
export function writeExample(root: string, example: Example): string[] {
  const { name } = example;
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  const rows = example.rows(new Random(example.seed));
  writeDatabase(join(folder, `${name}.sqlite`), example, rows);
  writeFileSync(join(folder, `${name}_kb.jsonl`), lines(knowledgeRows(example)));
  writeFileSync(join(folder, `${name}_column_meaning_base.json`), `${JSON.stringify(example.meanings, null, 2)}\n`);
  writeFileSync(join(folder, `${name}_schema.txt`), schemaText(example, rows));
  return example.tasks.map((task, index) => JSON.stringify(taskRow(example, index + 1, task)));
}

export const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

type Rows = Readonly<Record<string, readonly (readonly Value[])[]>>;

/** Built aside: a reader never meets half a database. */
function writeDatabase(path: string, { ddl, journal }: Example, rows: Rows): void {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  {
    using database = new DatabaseSync(temporary);
    database.exec('PRAGMA page_size = 4096; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF');
    database.exec(`BEGIN; ${ddl.join(';\n')};`);
    for (const [table, values] of Object.entries(rows)) {
      const insert = database.prepare(`INSERT INTO ${table} VALUES (${(values[0] ?? []).map(() => '?').join(', ')})`);
      for (const row of values) insert.run(...row);
    }
    database.exec(`COMMIT; PRAGMA journal_mode = ${journal};`);
  }
  renameSync(temporary, path);
}

function knowledgeRows({ kb }: Example): object[] {
  return kb.map(({ title, about, definition, type, needs }, id) => ({
    id,
    knowledge: title,
    description: about,
    definition,
    type,
    children_knowledge: needs.length === 0 ? -1 : needs,
  }));
}

function taskRow({ name: database, kb }: Example, number: number, task: ExampleTask): object {
  const { ask, sql, knowledge = [], masked = [], isOrdered = false, vague } = task;
  return {
    instance_id: `${database}_${number}`,
    selected_database: database,
    amb_user_query: ask,
    preprocess_sql: [],
    clean_up_sqls: [],
    sol_sql: [sql],
    external_knowledge: knowledge,
    test_cases: [],
    high_level: knowledge.length > 1,
    category: 'Query',
    conditions: { decimal: -1, distinct: false, order: isOrdered },
    user_query_ambiguity: {
      critical_ambiguity: vague
        ? [{ term: vague[0], sql_snippet: vague[1], is_mask: true, type: 'knowledge_linking_ambiguity' }]
        : [],
      non_critical_ambiguity: [],
    },
    knowledge_ambiguity: masked.map((id) => ({
      term: kb[id]!.title,
      sql_snippet: vague?.[1] ?? '',
      is_mask: false,
      type: 'knowledge_ambiguity',
      deleted_knowledge: id,
    })),
  };
}

/** The DDL with the first three rows of each table. */
function schemaText({ ddl }: Example, rows: Rows): string {
  return Object.entries(rows)
    .map(([table, values], index) => {
      const statement = ddl[index] ?? '';
      const columns = [...statement.matchAll(/^ {2}"(\w+)"/gm)].map(([, column]) => column);
      const sample = [columns, ...values.slice(0, 3)]
        .map((row) => row.map((value) => String(value)).join(' | '))
        .join('\n');
      return `${statement}\n/*\n3 example rows:\nSELECT * FROM ${table} LIMIT 3;\n${sample}\n*/\n`;
    })
    .join('\n');
}
