/** Temporary folders and files whose process is gone: named `<prefix><pid>-…`, removed by whoever comes next. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { systemCode } from '../kernel/errors.ts';

/** Removes what in `root` begins with `prefix` and the id of a process that no longer lives on this machine. */
export async function sweepDeadTemps(root: string, prefix: string): Promise<void> {
  const names = await readdir(root);
  const dead = names.filter((name) => {
    if (!name.startsWith(prefix)) return false;
    const pid = Number(/^\d+(?=-)/.exec(name.slice(prefix.length))?.[0] ?? Number.NaN);
    return Number.isSafeInteger(pid) && pid > 0 && !isProcessAlive(pid);
  });
  await Promise.all(dead.map((name) => rm(join(root, name), { recursive: true, force: true })));
}

/** Whether a process of that id lives on this machine. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, but is somebody else's.
    return systemCode(error) !== 'ESRCH';
  }
}
