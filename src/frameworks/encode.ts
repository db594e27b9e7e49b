/**
 * The framework that encodes: it has the reference of the task's database built, writes for the debug bundle what the
 * store that an agent would work on (T-02 … T-05) holds otherwise than the reference, and reports how the task's knowledge
 * is covered. It submits nothing.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { deletedKbIds } from '../dataset/knowledge.ts';
import type { Task } from '../dataset/task.ts';
import { SkeinError } from '../kernel/errors.ts';
import { jsonBytes } from '../kernel/json.ts';
import { LastContent } from '../reference/reference-content.ts';
import { writeDifference } from '../reference/task-store.ts';
import { blankRow } from './error-row.ts';
import type { Framework, TaskContext, TaskRow } from './framework.ts';
import { coverageOf, coveragePage } from './knowledge-coverage.ts';

export class EncodeFramework implements Framework {
  readonly #contents = new LastContent();

  async runTask(task: Task, context: TaskContext): Promise<TaskRow> {
    const row = blankRow(task, Date.now() / 1000);
    const reference = await context.reference();
    const deleted = deletedKbIds(task);
    const storeDir = join(context.scratchDir, 'slayer_storage');
    const found = await this.#contents.of(reference.dir);
    if (!found) throw new SkeinError('UNAVAILABLE', `${reference.dir} went away while it was read; try again`);
    writeDifference(found, storeDir, {
      database: task.selected_database,
      databasePath: context.databasePath,
      deletedKbIds: deleted,
    });
    const coverage = coverageOf(task, reference.kb, reference.results);
    writeFileSync(join(context.scratchDir, 'coverage.json'), jsonBytes(coverage, 2));
    writeFileSync(join(context.scratchDir, 'INDEX.md'), coveragePage(task, coverage, reference.dir));
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
