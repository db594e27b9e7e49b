/** What daemons wrote into their logs, for assertions on what they say they did. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A line of a daemon's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string; readonly time: string };

/** Every JSON line of the files in `dir`, the oldest first. */
export async function readDaemonLog(dir: string): Promise<LogLine[]> {
  if (!existsSync(dir)) return [];
  const lines: LogLine[] = [];
  for (const name of await readdir(dir)) {
    for (const line of (await readFile(join(dir, name), 'utf8')).split('\n')) {
      try {
        const value = JSON.parse(line) as LogLine;
        if (typeof value.time === 'string') lines.push(value);
      } catch {
        // Half a line of a process that was killed, or no log.
      }
    }
  }
  return lines.sort((a, b) => a.time.localeCompare(b.time));
}
