/**
 * Everything that the store has of one task of a run: its rows and which of them speaks, logs, debug bundles, transcript.
 *
 * Not here: what is in a log (`task-phases.ts`) or a transcript (`transcript-lines.ts`), how it is shown (the command line).
 *
 * Invariants: T1 what cannot be read is a problem with its reason, and the rest is there. T2 nothing is concluded from a name
 * that is not that object's (B-02).
 */
import { describeError, isSkeinError } from '../kernel/errors.ts';
import { readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import {
  compareRowNames,
  logsPrefix,
  parseLogName,
  parsePartialLogName,
  parseSessionName,
  partialTranscriptName,
  sessionsPrefix,
  taskRowsPrefix,
} from '../store/layout.ts';
import type { ObjectInfo, ObjectStore } from '../store/port.ts';
import { listAll } from '../store/prefix.ts';
import {
  canonicalRow,
  groupRowPaths,
  parseRow,
  type CanonicalRow,
  type RowFile,
  type StoredRow,
} from './canonical-row.ts';

/** An object that cannot be read, or not as what it is. */
export interface SightProblem {
  /** Its name in the store. */
  readonly object: string;
  readonly reason: string;
}

/** A row object of the task. */
export interface SeenRow {
  readonly file: RowFile;
  readonly object: string;
  readonly sizeBytes: number;
  readonly updatedMs: number;
  /** Undefined: it cannot be read, see `problems`. */
  readonly row: StoredRow | undefined;
}

export interface SeenLog {
  readonly attempt: number;
  readonly object: string;
  readonly sizeBytes: number;
  /** Of a task that was still running when it was stored. */
  readonly isPartial: boolean;
}

export interface SeenFile {
  readonly attempt: number;
  readonly path: string;
  readonly object: string;
  readonly sizeBytes: number;
}

export interface TaskObjects {
  /** By attempt; within one the row, then the late one, then duplicates. */
  readonly rows: readonly SeenRow[];
  readonly canonical: CanonicalRow;
  /** The one of `rows` that speaks for the task, undefined if none does. */
  readonly speaker: SeenRow | undefined;
  readonly logs: readonly SeenLog[];
  readonly files: readonly SeenFile[];
  /** What a running task has said so far, of whichever attempt. */
  readonly transcript: ObjectInfo | undefined;
  /** Every attempt that left anything, ascending. */
  readonly attempts: readonly number[];
  readonly problems: readonly SightProblem[];
}

/** Reads all of it. @throws SkeinError the store's, when it cannot be listed */
export async function readTaskObjects(
  store: ObjectStore,
  runId: string,
  instanceId: string,
  options: PersistOptions = {},
): Promise<TaskObjects> {
  const problems: SightProblem[] = [];
  const [rowObjects, logObjects, sessionObjects] = await Promise.all([
    listed(store, taskRowsPrefix(runId, instanceId), options),
    listed(store, `${logsPrefix(runId)}${instanceId}/`, options),
    listed(store, sessionsPrefix(runId, instanceId), options),
  ]);
  const { rows, canonical, speaker } = await rowsOf(store, instanceId, rowObjects, problems, options);
  const logs = logObjects.flatMap(({ name, sizeBytes }): SeenLog[] => {
    const whole = parseLogName(name);
    const log = whole ?? parsePartialLogName(name);
    return log ? [{ attempt: log.attempt, object: name, sizeBytes, isPartial: whole === undefined }] : [];
  });
  const files = sessionObjects.flatMap(({ name, sizeBytes }): SeenFile[] => {
    const file = parseSessionName(name);
    return file ? [{ attempt: file.attempt, path: file.path, object: name, sizeBytes }] : [];
  });
  const transcript = rowObjects.find(({ name }) => name === partialTranscriptName(runId, instanceId));
  const numbers = [...rows.map(({ file }) => file.attempt), ...logs.map((log) => log.attempt)];
  const attempts = [...new Set([...numbers, ...files.map(({ attempt }) => attempt)])].sort((a, b) => a - b);
  return { rows, canonical, speaker, logs, files, transcript, attempts, problems };
}

async function listed(store: ObjectStore, prefix: string, options: PersistOptions): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const info of listAll(store, prefix, options)) found.push(info);
  return found;
}

async function rowsOf(
  store: ObjectStore,
  instanceId: string,
  objects: readonly ObjectInfo[],
  problems: SightProblem[],
  options: PersistOptions,
): Promise<Pick<TaskObjects, 'rows' | 'canonical' | 'speaker'>> {
  const infoOf = new Map(objects.map((info) => [`${instanceId}/${info.name.split('/').at(-1)}`, info]));
  const files = (groupRowPaths(infoOf.keys()).get(instanceId) ?? []).toSorted(compareRowNames);
  const contents = new Map<string, Buffer | undefined>();
  const rows: SeenRow[] = [];
  for (const file of files) {
    const info = infoOf.get(file.path);
    if (!info) continue;
    const { name: object, sizeBytes, updatedMs } = info;
    const seen = { file, object, sizeBytes, updatedMs };
    try {
      const bytes = (await readPatiently(store, object, options))?.bytes;
      contents.set(file.path, bytes);
      if (bytes === undefined) problems.push({ object, reason: 'it was listed and is gone' });
      rows.push({ ...seen, row: bytes && parseRow(file, bytes) });
    } catch (error) {
      if (isSkeinError(error, 'CANCELLED')) throw error;
      problems.push({ object, reason: describeError(error) });
      rows.push({ ...seen, row: undefined });
    }
  }
  const canonical = await canonicalRow(files, async ({ path }) => contents.get(path));
  return { rows, canonical, speaker: speakerOf(rows, canonical) };
}

/** Which object the canonical row came from: a late one first, a duplicate only in place of what cannot be read. */
function speakerOf(rows: readonly SeenRow[], canonical: CanonicalRow): SeenRow | undefined {
  return canonical.kind === 'row' ? speakerOfAttempt(rows, canonical.attempt) : undefined;
}

/** The row that speaks for one attempt, undefined if none can be read. */
export function speakerOfAttempt(rows: readonly SeenRow[], attempt: number): SeenRow | undefined {
  const rank = { late: 0, row: 1, duplicate: 2 };
  return rows
    .filter(({ file, row }) => file.attempt === attempt && row !== undefined)
    .toSorted((a, b) => rank[a.file.kind] - rank[b.file.kind])
    .at(0);
}
