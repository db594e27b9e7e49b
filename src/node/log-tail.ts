/** The last lines of a log, read when an actor has died: they go into its death certificate. */
import { statSync } from 'node:fs';

import { lastLines } from '../kernel/file-tail.ts';

/** Lines of a death certificate at most, and how far back to look for them. */
const CERTIFICATE = { lines: 20, bytes: 8192 };

/** The last lines of the file at `path` after byte `from`, oldest first; none when it cannot be read. */
export function tailLines(path: string, from = 0): string[] {
  return lastLines(path, { ...CERTIFICATE, from });
}

/** How long the file at `path` is; 0 when there is none. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
