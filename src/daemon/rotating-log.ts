/**
 * A daemon's log: JSON lines in `<folder>/daemon.log`, turned over by size: `daemon.log.1` is the one before it, and so on.
 *
 * Invariants: L1 a line that was logged survives a SIGKILL: each is handed to the kernel before the call returns. L2 at
 * most `FILES` files of about `MAX_BYTES` are kept. L3 a folder that cannot be written to costs lines, never the daemon.
 */
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

import pino from 'pino';

import { lastLines } from '../kernel/file-tail.ts';
import { createLoggerOn, type Logger } from '../kernel/log.ts';

const MAX_BYTES = 16 * 1024 * 1024;
const FILES = 5;
/** What is read of a log for somebody who looks at its end. */
const RECENT_BYTES = 1024 * 1024;

/** @param maxBytes when to turn over; default 16 MiB */
export function openDaemonLog(folder: string, maxBytes = MAX_BYTES): Logger {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'daemon.log');
  const destination = pino.destination({ dest: path, sync: true, mode: 0o600 });
  destination.on('error', () => {});
  let bytes = sizeOf(path);
  return createLoggerOn({
    write: (line: string) => {
      destination.write(line);
      bytes += Buffer.byteLength(line);
      if (bytes < maxBytes) return;
      bytes = 0;
      turnOver(path);
      destination.reopen();
    },
  });
}

/** The last lines of the log in `folder`, also of one that was turned over a moment ago. None where there is no log. */
export function recentLines(folder: string, lines: number, bytes = RECENT_BYTES): string[] {
  const path = join(folder, 'daemon.log');
  const newest = lastLines(path, { lines, bytes });
  if (newest.length >= lines) return newest;
  const spare = bytes - newest.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
  // A log that has just begun tells less than the one before it.
  if (spare <= 0 || sizeOf(path) > bytes) return newest;
  return [...lastLines(`${path}.1`, { lines: lines - newest.length, bytes: spare }), ...newest];
}

function turnOver(path: string): void {
  for (let age = FILES - 1; age >= 1; age -= 1) {
    try {
      renameSync(age === 1 ? path : `${path}.${age - 1}`, `${path}.${age}`);
    } catch {
      // Not that old yet.
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
