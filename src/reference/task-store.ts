/**
 * A task's own copy of a reference (or of a stage-1 cache), with its datasource on this machine's database and without
 * what the task must not see (T-02 … T-05). Agents edit models, so the original is only read. Where no agent works on it,
 * what such a store would hold otherwise than its reference is written alone.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { SkeinError } from '../kernel/errors.ts';
import { jsonBytes } from '../kernel/json.ts';
import { MARKERS } from '../store/layout.ts';
import { absoluteUrl, datasourceFor, renderDatasource } from './datasource-file.ts';
import { copyMarked } from './marked-tree.ts';
import { FILTERED_LISTS, maskingChanges, type Changes } from './masking.ts';
import { ReferenceContent } from './reference-content.ts';

/** How a task's store differs from its reference. */
export interface TaskView {
  readonly database: string;
  /** The SQLite file that the store's models shall read, absolute. */
  readonly databasePath: string;
  /** KB items that the task must not see. */
  readonly deletedKbIds: readonly number[];
}

export interface TaskStoreRequest extends TaskView {
  /** `<reference root>/<db>`, read without the lock. */
  readonly referenceDir: string;
  /** Made anew; private to the task. */
  readonly storeDir: string;
  /** Which marker says that the original is whole. Default a reference's. */
  readonly marker?: string;
}

/**
 * @throws SkeinError NOT_FOUND when no whole reference stands there, UNAVAILABLE when it keeps changing, CORRUPT
 * @returns the fingerprint of what was copied
 */
export async function makeTaskStore(request: TaskStoreRequest): Promise<string> {
  const { referenceDir, storeDir, marker = MARKERS.referenceFingerprint } = request;
  const copied = await copyMarked(referenceDir, marker, storeDir);
  if (!copied) {
    await rm(storeDir, { recursive: true, force: true });
    throw new SkeinError('NOT_FOUND', `${referenceDir} holds no whole reference (no ${marker}); build it first`);
  }
  writeChanges(storeDir, changesOf(ReferenceContent.read(storeDir), request));
  return copied.text;
}

/** Written by `writeDifference`: what the store takes over from its reference, and how. */
export const DIFFERENCE_FILE = 'DIFFERENCE.json';

/** What stands in `DIFFERENCE.json`. */
export interface Difference {
  readonly reference_fingerprint: string;
  /** Paths of files that are as in the reference. */
  readonly unchanged: readonly string[];
  /** By path: JSON lists that are those of the reference without the items whose `field` is one of `ids`. */
  readonly filtered: Readonly<Record<string, { readonly field: string; readonly ids: readonly number[] }>>;
  /** The datasource's path, and the URL in it. */
  readonly datasource: { readonly path: string; readonly connection_string: string };
}

/**
 * Writes to `storeDir` what differs from the reference whose content this is, and a description of the rest: for a bundle
 * that is shipped to be read by people, while the reference itself is shipped once (U-03). It is no store. Each file of a
 * bundle is an object to be made durable, so what one line can say is no file.
 */
export function writeDifference(
  { fingerprint, content }: { readonly fingerprint: string; readonly content: ReferenceContent },
  storeDir: string,
  view: TaskView,
): void {
  const changes = changesOf(content, view);
  const datasourcePath = `datasources/${view.database}.yaml`;
  const filtered = [...FILTERED_LISTS].filter(([path]) => changes.has(path));
  const unchanged = content.paths.filter((path) => !changes.has(path) && path !== datasourcePath);
  for (const path of [datasourcePath, ...filtered.map(([list]) => list)]) changes.delete(path);
  writeChanges(storeDir, changes);
  const difference: Difference = {
    reference_fingerprint: fingerprint,
    unchanged,
    filtered: Object.fromEntries(filtered.map(([path, field]) => [path, { field, ids: view.deletedKbIds }])),
    datasource: { path: datasourcePath, connection_string: absoluteUrl(view.databasePath) },
  };
  writeFileSync(join(storeDir, DIFFERENCE_FILE), jsonBytes(difference, 2));
}

/** What the task's store holds otherwise than `content`, and nothing that it holds alike. */
function changesOf(content: ReferenceContent, { database, databasePath, deletedKbIds }: TaskView): Changes {
  const changes = maskingChanges(content, database, deletedKbIds);
  const datasource = datasourceFor(database, absoluteUrl(databasePath));
  changes.set(`datasources/${database}.yaml`, Buffer.from(renderDatasource(datasource)));
  for (const [path, bytes] of changes) if (bytes && content.document(path)?.equals(bytes)) changes.delete(path);
  return changes;
}

/** In place, as all that an actor's own thread does with small files. */
function writeChanges(storeDir: string, changes: Changes): void {
  for (const folder of new Set([storeDir, ...[...changes.keys()].map((path) => dirname(join(storeDir, path)))])) {
    mkdirSync(folder, { recursive: true });
  }
  for (const [path, bytes] of changes) {
    if (bytes) writeFileSync(join(storeDir, path), bytes);
    else rmSync(join(storeDir, path), { force: true });
  }
}
