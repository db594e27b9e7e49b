/** The last lines of a log, read when an actor has died: they go into its death certificate. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

/** Lines of a death certificate at most. */
const MAX_LINES = 20;
/** How far back to look for them. */
const MAX_BYTES = 8192;

/** The last lines of the file at `path` after byte `from`, oldest first; none when it cannot be read. */
export function tailLines(path: string, from = 0): string[] {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(fd);
    // A file that is shorter than that was begun anew.
    const start = Math.max(from > size ? 0 : from, size - MAX_BYTES);
    const bytes = Buffer.alloc(Math.max(0, size - start));
    const read = readSync(fd, bytes, 0, bytes.byteLength, start);
    const lines = bytes.toString('utf8', 0, read).split('\n');
    if (lines.at(-1) === '') lines.pop();
    return lines.slice(-MAX_LINES);
  } finally {
    closeSync(fd);
  }
}

/** How long the file at `path` is; 0 when there is none. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
