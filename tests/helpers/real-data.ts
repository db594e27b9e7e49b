/**
 * What a machine may have or lack: the real dataset (`SKEIN_DATASET`), the real SLayer (`SKEIN_SLAYER`, a folder with its
 * commands). A suite that needs one skips itself without it, and one printed line says so.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const told = new Set<string>();

function skipped(what: string, variable: string): undefined {
  if (!told.has(variable)) {
    told.add(variable);
    process.stdout.write(`skipped: ${what} (${variable} is not set to one)\n`);
  }
  return undefined;
}

/** The folder of the real dataset, or undefined: skip, it has been said. */
export function realDataset(): string | undefined {
  const dir = process.env['SKEIN_DATASET'];
  return dir !== undefined && existsSync(dir) ? dir : skipped('what needs the real dataset', 'SKEIN_DATASET');
}

/** The real `slayer` command, or undefined: skip, it has been said. */
export function realSlayer(): string | undefined {
  const dir = process.env['SKEIN_SLAYER'];
  const command = dir === undefined ? undefined : join(dir, 'slayer');
  return command !== undefined && existsSync(command) ? command : skipped('what needs the real SLayer', 'SKEIN_SLAYER');
}
