/**
 * The last lines of a file that somebody may be writing to. Read in place: it is little, and who asks may be about to die.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

export interface TailLimits {
  /** How many lines at most. */
  readonly lines: number;
  /** How far back to look for them, bytes. A line that begins before that is given from there on. */
  readonly bytes: number;
  /** Nothing before this byte counts; a file that is shorter than that was begun anew. Default 0. */
  readonly from?: number;
}

/** The last lines of the file at `path`, the oldest first; none when it cannot be read. */
export function lastLines(path: string, { lines: most, bytes: mostBytes, from = 0 }: TailLimits): string[] {
  if (most === 0 || mostBytes === 0) return [];
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(fd);
    const start = Math.max(from > size ? 0 : from, size - mostBytes);
    const bytes = Buffer.alloc(Math.max(0, size - start));
    const read = readSync(fd, bytes, 0, bytes.byteLength, start);
    const lines = bytes.toString('utf8', 0, read).split('\n');
    if (lines.at(-1) === '') lines.pop();
    return lines.slice(-most);
  } catch {
    return [];
  } finally {
    closeSync(fd);
  }
}
