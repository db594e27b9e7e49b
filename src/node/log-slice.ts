/**
 * What an actor printed while it served one task: a slice of the actor's own log (W-12). A file per task would be made and
 * removed thousands of times in a run, and ext4 looks long for inodes where many were freed a moment ago.
 *
 * Invariants: S1 the slice begins where the log ended when the task began; an actor serves one task at a time. S2 it is
 * there whatever became of the actor.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

/** What is kept of a longer slice: its end, where errors stand. */
const MAX_BYTES = 8 * 1024 * 1024 - 1024;

export class LogSlice {
  readonly #path: string;
  readonly #start: number;

  /** Begins at the present end of the log at `path`, which need not exist yet. */
  constructor(path: string) {
    this.#path = path;
    this.#start = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** All that came since, read at once: slices are small, and four trips to a file thread cost more than the read. */
  read(): Buffer {
    try {
      const fd = openSync(this.#path, 'r');
      try {
        const length = Math.max(0, fstatSync(fd).size - this.#start);
        const skipped = Math.max(0, length - MAX_BYTES);
        const bytes = Buffer.alloc(length - skipped);
        const read = readSync(fd, bytes, 0, bytes.length, this.#start + skipped);
        const cut = skipped > 0 ? Buffer.from(`[${skipped} bytes left out]\n`) : Buffer.alloc(0);
        return Buffer.concat([cut, bytes.subarray(0, read)]);
      } finally {
        closeSync(fd);
      }
    } catch {
      // The actor never printed a byte, or its log is gone: a log is never worth a task.
      return Buffer.alloc(0);
    }
  }
}
