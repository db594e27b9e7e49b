/**
 * What a reference (or a stage-1 cache) says, in memory: its documents, read at once and parsed when they are asked for. An
 * actor serves many tasks of one database in a row; what it parsed for the first serves them all.
 *
 * Not here: copying one (`marked-tree.ts`), the KB rows and results of a fresh build (`load-reference.ts`).
 *
 * Invariants: C1 all of it is of one build (DESIGN rule 4). C2 nobody changes what is handed out: whoever masks, copies.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { SkeinError } from '../kernel/errors.ts';
import { parseJson } from '../kernel/json.ts';
import { MARKERS } from '../store/layout.ts';
import { filesBelow, markerOf, readMarked, type MarkerLook } from './marked-tree.ts';
import { parseMemories } from './memory-file.ts';
import { parseModel } from './model-file.ts';
import type { Memory, Model } from './model.ts';

/** A model file that holds something encoded says so; the others are parsed only when all are asked for. */
const TAGGED = /\bkb_ids?\b/;
/** The documents that SLayer and we read; other files of a tree (vectors) may be large and stay on the disk. */
const DOCUMENT = /\.(?:ya?ml|json)$/;

export const MEMORIES_FILE = 'memories.yaml';

export class ReferenceContent {
  readonly dir: string;
  /** Every file's path below `dir`, sorted; nothing whose name begins with a dot. */
  readonly paths: readonly string[];
  readonly #documents: ReadonlyMap<string, Buffer>;
  readonly #models = new Map<string, Model>();
  readonly #lists = new Map<string, unknown>();
  #memories: readonly Memory[] | undefined;

  private constructor(dir: string, paths: readonly string[]) {
    this.dir = dir;
    this.paths = paths;
    // In place: this runs in an actor's own thread, and a small read costs a tenth of four trips to a file thread.
    this.#documents = new Map(
      paths.filter((path) => DOCUMENT.test(path)).map((path) => [path, readFileSync(join(dir, path))]),
    );
  }

  /** Of a folder that nobody changes meanwhile. @throws the system's error */
  static read(dir: string): ReferenceContent {
    return new ReferenceContent(dir, filesBelow(dir));
  }

  /** The bytes of a document, undefined where there is none. */
  document(path: string): Buffer | undefined {
    return this.#documents.get(path);
  }

  /**
   * The models of `database` by name, in the order of their file names.
   * @param which `tagged`: only those that hold something that stands for a KB item, and perhaps others
   * @throws SkeinError CORRUPT
   */
  models(database: string, which: 'all' | 'tagged'): Map<string, Model> {
    const found = new Map<string, Model>();
    for (const path of this.paths) {
      if (!path.startsWith(`models/${database}/`) || path.split('/').length !== 3 || !path.endsWith('.yaml')) continue;
      const text = () => this.document(path)?.toString() ?? '';
      if (which === 'tagged' && !this.#models.has(path) && !TAGGED.test(text())) continue;
      let model = this.#models.get(path);
      if (model === undefined) this.#models.set(path, (model = parseModel(join(this.dir, path), text())));
      found.set(model.name, model);
    }
    return found;
  }

  /** @throws SkeinError CORRUPT when they are not there or no memories */
  memories(): readonly Memory[] {
    if (this.#memories) return this.#memories;
    const path = join(this.dir, MEMORIES_FILE);
    const bytes = this.document(MEMORIES_FILE);
    if (!bytes) throw new SkeinError('CORRUPT', `${path} is not there; ${this.dir} is marked as whole and is not`);
    return (this.#memories = parseMemories(path, bytes.toString()));
  }

  /** The JSON list in the document `path`, undefined where there is no document or no list in it. @throws SkeinError CORRUPT */
  list(path: string): readonly Record<string, unknown>[] | undefined {
    const bytes = this.document(path);
    if (bytes && !this.#lists.has(path)) this.#lists.set(path, parseJson(join(this.dir, path), bytes));
    const list = this.#lists.get(path);
    return Array.isArray(list) ? (list as Record<string, unknown>[]) : undefined;
  }
}

/** The content of the reference that was asked for last, handed out again while the same marker stands there. */
export class LastContent {
  #last: { readonly look: MarkerLook; readonly content: ReferenceContent } | undefined;

  /** The content of `dir` and its fingerprint, undefined without a marker. @throws SkeinError UNAVAILABLE when it keeps changing */
  async of(dir: string): Promise<{ readonly fingerprint: string; readonly content: ReferenceContent } | undefined> {
    if (
      this.#last?.content.dir !== dir ||
      (await markerOf(dir, MARKERS.referenceFingerprint))?.stamp !== this.#last.look.stamp
    ) {
      const read = await readMarked(dir, MARKERS.referenceFingerprint, async () => ReferenceContent.read(dir));
      this.#last = read && { look: read.look, content: read.value };
    }
    return this.#last && { fingerprint: this.#last.look.text, content: this.#last.content };
  }
}
