/**
 * Audited gold SQL (§3C): a folder of `<db>.jsonl`, a line per task whose gold SQL somebody looked at,
 *
 *     {"instance_id": "shop_1", "status": "edited", "sol_sql": ["SELECT …"]}
 *
 * `edited` and `unrecoverable` take the place of the dataset's gold SQL; `clean`, a task without a line and a database without
 * a file keep it. The dataset's own is kept beside it, `original_sol_sql`, on every task of a run under an audit.
 *
 * Not here: how it reaches nodes (`run/audited-gold-object.ts`), what is scored by which (`frameworks/scoring.ts`).
 *
 * Invariant: A1 whatever is wrong is one SkeinError INVALID_INPUT whose text names the file, the line, the field and the
 * value.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { asError, SkeinError, systemCode } from '../kernel/errors.ts';
import { isName } from '../kernel/ids.ts';
import type { Task } from './task.ts';
import { parseJsonLines, shown } from './tasks-file.ts';

const STATUSES = ['edited', 'unrecoverable', 'clean'] as const;
export type AuditStatus = (typeof STATUSES)[number];

export interface AuditedTask {
  readonly instance_id: string;
  readonly status: AuditStatus;
  readonly sol_sql: readonly string[];
}

export type AuditedGold = ReadonlyMap<string, AuditedTask>;

/** The lines of an audit, in file order. @throws SkeinError INVALID_INPUT: broken line, unknown status, an id twice … */
export function parseAuditedGold(file: string, text: string): AuditedTask[] {
  const lineOfId = new Map<string, number>();
  return parseJsonLines(file, text).map(({ number, value }) => {
    const where = `${file} line ${number}`;
    const { instance_id: id, status, sol_sql: sql } = value;
    if (typeof id !== 'string' || !isName(id)) throw invalid(`${where}: instance_id: ${shown(id)} is no legal name`);
    const first = lineOfId.get(id);
    if (first !== undefined) throw invalid(`${where}: instance_id: ${shown(id)} is already the id of line ${first}`);
    lineOfId.set(id, number);
    if (!isStatus(status)) throw invalid(`${where}: status: ${shown(status)} is none of ${STATUSES.join(', ')}`);
    const texts = typeof sql === 'string' ? [sql] : (sql ?? []);
    if (!Array.isArray(texts) || !texts.every((each) => typeof each === 'string')) {
      throw invalid(`${where}: sol_sql: ${shown(sql)} is no list of texts`);
    }
    if (status === 'edited' && !texts.some((each) => each.trim() !== '')) {
      throw invalid(`${where}: sol_sql: ${shown(sql)} is empty, and an edited task needs its new gold SQL`);
    }
    return { instance_id: id, status, sol_sql: texts.filter((each) => each.trim() !== '') };
  });
}

/**
 * The audit of `tasks` in the folder `dir`; lines of other tasks are checked and left out.
 * @param field how an error calls the folder
 * @throws SkeinError INVALID_INPUT: no such folder, nothing in it for any database, a line that is wrong or belongs to another database
 */
export async function readAuditedGold(
  dir: string,
  tasks: readonly Task[],
  databaseOfId: ReadonlyMap<string, Pick<Task, 'selected_database'>>,
  field = '--audited-gold',
): Promise<AuditedGold> {
  const root = resolve(dir);
  const names = new Set(await namesIn(root, field));
  const databases = [...new Set(tasks.map((task) => task.selected_database))].sort();
  const there = databases.filter((database) => names.has(`${database}.jsonl`));
  if (there.length === 0) {
    const wanted = databases.slice(0, 3).map((database) => `${database}.jsonl`);
    throw invalid(
      `${field} ${JSON.stringify(root)}: it holds a file for none of the run's databases: no ${wanted.join(', ')}`,
    );
  }
  const wanted = new Set(tasks.map((task) => task.instance_id));
  const found = new Map<string, AuditedTask>();
  for (const database of there) {
    const file = join(root, `${database}.jsonl`);
    for (const audited of parseAuditedGold(file, await readFile(file, 'utf8'))) {
      const { instance_id: id } = audited;
      const own = databaseOfId.get(id)?.selected_database;
      if (own !== undefined && own !== database) {
        throw invalid(`${file}: instance_id: ${shown(id)} is a task of ${own}, so it belongs into ${own}.jsonl`);
      }
      if (wanted.has(id)) found.set(id, audited);
    }
  }
  return found;
}

/** `task` as a run under the audit has it. */
export function audited(task: Task, gold: AuditedGold): Task {
  const own = gold.get(task.instance_id);
  const isReplaced = own !== undefined && own.status !== 'clean';
  return { ...task, sol_sql: isReplaced ? own.sol_sql : task.sol_sql, original_sol_sql: task.sol_sql };
}

/** The audit as text, sorted by id: equal audits give equal bytes. `parseAuditedGold` reads it. */
export function auditedGoldText(gold: AuditedGold): string {
  const sorted = [...gold.values()].sort((a, b) => (a.instance_id < b.instance_id ? -1 : 1));
  return sorted
    .map(({ instance_id, status, sol_sql }) => `${JSON.stringify({ instance_id, status, sol_sql })}\n`)
    .join('');
}

/** What the audit does to a run's tasks: the run's `audited_gold_overlay.json`. */
export interface AuditedGoldLog {
  readonly digest: string;
  readonly counts: Readonly<Record<AuditStatus | 'absent', number>>;
  /** Every id whose gold SQL was replaced, with its status. */
  readonly replaced: Readonly<Record<string, AuditStatus>>;
}

export function auditedGoldLog(digest: string, tasks: readonly Task[], gold: AuditedGold): AuditedGoldLog {
  const counts = { edited: 0, unrecoverable: 0, clean: 0, absent: 0 };
  const replaced: Record<string, AuditStatus> = {};
  for (const { instance_id: id } of tasks) {
    const status = gold.get(id)?.status;
    counts[status ?? 'absent'] += 1;
    if (status !== undefined && status !== 'clean') replaced[id] = status;
  }
  return { digest, counts, replaced };
}

async function namesIn(root: string, field: string): Promise<string[]> {
  try {
    return await readdir(root);
  } catch (error) {
    const code = systemCode(error);
    const reason =
      code === 'ENOENT' ? 'there is no such folder' : code === 'ENOTDIR' ? 'that is no folder' : asError(error).message;
    throw new SkeinError('INVALID_INPUT', `${field} ${JSON.stringify(root)}: ${reason}`, { cause: error });
  }
}

function isStatus(value: unknown): value is AuditStatus {
  return (STATUSES as readonly unknown[]).includes(value);
}

function invalid(message: string): SkeinError {
  return new SkeinError('INVALID_INPUT', message);
}
