/**
 * The folder of an embedded node, below the system's temp folder: `skein-<uid>/<pid>-<random>`. Those of processes that
 * died are swept by whoever comes next.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Makes a new one (0700) and sweeps those of the dead. */
export async function makeWorkDir(): Promise<string> {
  const parent = join(tmpdir(), `skein-${userInfo().uid}`);
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await Promise.all(
    (await readdir(parent)).map(async (name) => {
      const pid = Number(/^(\d+)-/.exec(name)?.[1] ?? 0);
      if (pid > 0 && !isAlive(pid)) await rm(join(parent, name), { recursive: true, force: true });
    }),
  );
  const dir = join(parent, `${process.pid}-${randomBytes(4).toString('hex')}`);
  await mkdir(dir, { mode: 0o700 });
  return dir;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export async function removeWorkDir(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
}
