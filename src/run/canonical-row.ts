/**
 * Which row speaks for an id (C-01, DESIGN rule 2). Collation, wait, resume and resubmit all ask here.
 *
 * Names under `rows/<iid>/`: `attempt-<n>.json` (the first writer's), `attempt-<n>.late.json` (a real result that found a
 * synthetic row in its place), `attempt-<n>.dup-<k>.json` (a second real one). Anything else is ignored (B-02).
 *
 * Invariants: C1 the highest attempt speaks, except that a `synthetic` row never stands over a real row of the same id.
 * C2 an unreadable row is a value with its reason, never an exception. C3 no more is read than the choice needs.
 */
import { asError, isSkeinError, SkeinError } from '../kernel/errors.ts';
import { parsePythonJson } from '../kernel/python-json.ts';
import { compareRowNames, parseRowName, rowsPrefix, type RowName } from '../store/layout.ts';
import { isLostRow } from './synthetic-row.ts';

/** A row object: what its name tells, and its path below the run's `rows/`: `<iid>/attempt-<n>.json`. */
export type RowFile = RowName & { readonly path: string };

/** The row files of each id, from paths below `rows/`; what is no row is ignored. */
export function groupRowPaths(paths: Iterable<string>): Map<string, RowFile[]> {
  const files = new Map<string, RowFile[]>();
  for (const path of paths) addRowPath(files, path);
  return files;
}

/** Adds `path` to what `groupRowPaths` made, for names that come page by page. False: it is no row. */
export function addRowPath(files: Map<string, RowFile[]>, path: string): boolean {
  // The run's id is not the path's: any will do for the parser.
  const row = parseRowName(`${rowsPrefix('r')}${path}`);
  if (!row) return false;
  const known = files.get(row.instanceId);
  if (known) known.push({ ...row, path });
  else files.set(row.instanceId, [{ ...row, path }]);
  return true;
}

/** The attempts of one id, ascending, each once. */
export function attemptsOf(files: readonly RowFile[]): number[] {
  return [...new Set(files.map(({ attempt }) => attempt))].sort((a, b) => a - b);
}

/** A row as it was stored: the fields of §3A, none of them promised. */
export type StoredRow = Readonly<Record<string, unknown>>;

/** A row file that cannot be used, and why. */
export interface RowProblem {
  readonly path: string;
  readonly reason: string;
}

interface RowFacts {
  /** Of the canonical row; the highest one there is when none is readable. */
  readonly attempt: number;
  readonly attempts: readonly number[];
  readonly duplicates: number;
  /** Attempts lost with their actor or node, as far as the choice had to read: all of them when a lost one speaks. */
  readonly lost: readonly number[];
  readonly problems: readonly RowProblem[];
}

export type CanonicalRow =
  | { readonly kind: 'missing' }
  /** The highest attempt's row is there and cannot be read: to be run again (L-11). */
  | ({ readonly kind: 'unreadable' } & RowFacts)
  | ({
      readonly kind: 'row';
      readonly row: StoredRow;
      readonly isSynthetic: boolean;
      readonly isError: boolean;
      /** A synthetic row of an attempt that ended with its actor or node. */
      readonly isLost: boolean;
    } & RowFacts);

/**
 * The row that speaks for the id of `files`.
 * @param read the bytes of one of them, undefined if it is gone meanwhile; may throw CORRUPT
 */
export async function canonicalRow(
  files: readonly RowFile[],
  read: (file: RowFile) => Promise<Uint8Array | string | undefined>,
): Promise<CanonicalRow> {
  if (files.length === 0) return { kind: 'missing' };
  const attempts = attemptsOf(files);
  const problems: RowProblem[] = [];
  const lost: number[] = [];
  const facts = (attempt: number): RowFacts => ({
    attempt,
    attempts,
    duplicates: files.filter(({ kind }) => kind === 'duplicate').length,
    lost,
    problems,
  });
  const found = (row: StoredRow, attempt: number): CanonicalRow => ({
    kind: 'row',
    row,
    isSynthetic: isSyntheticRow(row),
    isError: isErrorRow(row),
    isLost: isLostRow(row),
    ...facts(attempt),
  });

  let synthetic: { row: StoredRow; attempt: number } | undefined;
  for (const attempt of attempts.toReversed()) {
    const row = await rowOfAttempt(
      files.filter((file) => file.attempt === attempt),
      read,
      problems,
    );
    if (row && !isSyntheticRow(row)) return found(row, attempt);
    // Below a synthetic row only a real one counts; what cannot be read there changes nothing.
    if (!row && !synthetic) return { kind: 'unreadable', ...facts(attempt) };
    if (row && isLostRow(row)) lost.push(attempt);
    synthetic ??= row && { row, attempt };
  }
  if (!synthetic) return { kind: 'missing' };
  return found(synthetic.row, synthetic.attempt);
}

/** Whether no framework wrote this row (W-05 … W-08). */
export function isSyntheticRow(row: StoredRow): boolean {
  return row['synthetic'] !== undefined && row['synthetic'] !== null;
}

/** Whether the attempt failed: its `error` is truthy. A wrong answer is no error. */
export function isErrorRow(row: StoredRow): boolean {
  return Boolean(row['error']);
}

/** @throws SkeinError CORRUPT when `bytes` are no row of `file`'s id */
export function parseRow(file: RowFile, bytes: Uint8Array | string): StoredRow {
  const value = parsePythonJson(`rows/${file.path}`, bytes);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new SkeinError('CORRUPT', `rows/${file.path} is no row: no JSON object`);
  }
  const row = value as StoredRow;
  if (row['instance_id'] === file.instanceId) return row;
  throw new SkeinError('CORRUPT', `rows/${file.path} is a row of ${JSON.stringify(row['instance_id'])}`);
}

/** The row of one attempt: a late one first; a duplicate only in place of one that cannot be read. */
async function rowOfAttempt(
  files: readonly RowFile[],
  read: (file: RowFile) => Promise<Uint8Array | string | undefined>,
  problems: RowProblem[],
): Promise<StoredRow | undefined> {
  const rank = { late: 0, row: 1, duplicate: 2 };
  for (const file of files.toSorted((a, b) => rank[a.kind] - rank[b.kind] || compareRowNames(a, b))) {
    try {
      const bytes = await read(file);
      if (bytes !== undefined) return parseRow(file, bytes);
      problems.push({ path: file.path, reason: 'it was listed and is gone' });
    } catch (error) {
      if (!isSkeinError(error, 'CORRUPT')) throw error;
      problems.push({ path: file.path, reason: asError(error).message });
    }
  }
  return undefined;
}
