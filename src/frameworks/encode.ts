/**
 * The framework that encodes: it has the reference of the task's database built, makes the store that an agent would
 * work on (T-02 … T-05), keeps of it for the debug bundle what differs from the reference, and reports how the task's
 * knowledge is covered. It submits nothing.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { deletedKbIds } from '../dataset/knowledge.ts';
import type { Task } from '../dataset/task.ts';
import { jsonBytes } from '../kernel/json.ts';
import { leaveChanges, makeTaskStore } from '../reference/task-store.ts';
import { blankRow } from './error-row.ts';
import type { Framework, TaskContext, TaskRow } from './framework.ts';
import { coverageOf, coveragePage } from './knowledge-coverage.ts';

export class EncodeFramework implements Framework {
  async runTask(task: Task, context: TaskContext): Promise<TaskRow> {
    const row = blankRow(task, Date.now() / 1000);
    const reference = await context.reference();
    const deleted = deletedKbIds(task);
    const storeDir = join(context.scratchDir, 'slayer_storage');
    await makeTaskStore({
      referenceDir: reference.dir,
      database: task.selected_database,
      databasePath: context.databasePath,
      storeDir,
      deletedKbIds: deleted,
    });
    await leaveChanges(storeDir, reference.dir, reference.fingerprint);
    const coverage = coverageOf(task, reference.kb, reference.results);
    await writeFile(join(context.scratchDir, 'coverage.json'), jsonBytes(coverage, 2));
    await writeFile(join(context.scratchDir, 'INDEX.md'), coveragePage(task, coverage, reference.dir));
    context.log(`knowledge: ${JSON.stringify(coverage.counts)}`);
    return {
      ...row,
      knowledge_coverage: coverage,
      reference_fingerprint: reference.fingerprint,
      deleted_kb_ids: deleted,
      variant_storage_path: deleted.length > 0 ? storeDir : null,
    };
  }
}
