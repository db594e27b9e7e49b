/**
 * A database's reference as one task of an own framework sees it: without what the task masks (T-03). Parsed once per
 * actor where nothing is masked; the reference itself is never touched (T-04).
 */
import { join } from 'node:path';

import { deletedKbIds } from '../../dataset/knowledge.ts';
import type { KbRow, Task } from '../../dataset/task.ts';
import { maskingChanges, type Changes } from '../../reference/masking.ts';
import { parseMemories } from '../../reference/memory-file.ts';
import { parseModel } from '../../reference/model-file.ts';
import type { Memory, Model, SetupResult } from '../../reference/model.ts';
import { MEMORIES_FILE, type ReferenceContent } from '../../reference/reference-content.ts';
import { makeTaskStore } from '../../reference/task-store.ts';
import type { ReferenceView, TaskContext } from '../framework.ts';
import type { KnowledgeStore } from './interface.ts';

export class TaskKnowledge implements KnowledgeStore {
  readonly database: string;
  readonly fingerprint: string;
  readonly #content: ReferenceContent;
  readonly #view: ReferenceView;
  readonly #context: Pick<TaskContext, 'databasePath' | 'scratchDir'>;
  readonly #deleted: readonly number[];
  #changes: Changes | undefined;
  #models: ReadonlyMap<string, Model> | undefined;
  #memories: readonly Memory[] | undefined;
  #directory: Promise<string> | undefined;

  /** @param content of the reference that `view` shows */
  constructor(
    task: Task,
    content: ReferenceContent,
    view: ReferenceView,
    context: Pick<TaskContext, 'databasePath' | 'scratchDir'>,
  ) {
    this.database = task.selected_database;
    this.fingerprint = view.fingerprint;
    this.#content = content;
    this.#view = view;
    this.#context = context;
    this.#deleted = deletedKbIds(task);
  }

  get kb(): readonly KbRow[] {
    return this.#view.kb.filter(({ id }) => !this.#deleted.includes(id));
  }

  get results(): readonly SetupResult[] {
    return this.#view.results.filter(({ kb_id: id }) => !this.#deleted.includes(id));
  }

  get models(): ReadonlyMap<string, Model> {
    return (this.#models ??= this.#maskedModels());
  }

  get memories(): readonly Memory[] {
    const masked = this.#masked().get(MEMORIES_FILE);
    return (this.#memories ??= masked ? parseMemories(MEMORIES_FILE, masked.toString()) : this.#content.memories());
  }

  directory(): Promise<string> {
    return (this.#directory ??= (async () => {
      const { database } = this;
      const { databasePath, scratchDir } = this.#context;
      const storeDir = join(scratchDir, 'slayer_storage');
      const referenceDir = this.#view.dir;
      await makeTaskStore({ database, databasePath, deletedKbIds: this.#deleted, referenceDir, storeDir });
      return storeDir;
    })());
  }

  #maskedModels(): Map<string, Model> {
    const models = new Map(this.#content.models(this.database, 'all'));
    const folder = `models/${this.database}/`;
    for (const [path, bytes] of this.#masked()) {
      if (!path.startsWith(folder)) continue;
      const name = path.slice(folder.length).replace(/\.yaml$/, '');
      if (bytes) models.set(name, parseModel(path, bytes.toString()));
      else models.delete(name);
    }
    return models;
  }

  #masked(): Changes {
    return (this.#changes ??= maskingChanges(this.#content, this.database, this.#deleted));
  }
}
