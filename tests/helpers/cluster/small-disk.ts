/**
 * A file system of a few MiB for a test that fills it. Needs the right to mount; a machine that lacks
 * it skips the test, and one printed line says so.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
let answer: boolean | undefined;

/** Whether this process may mount; asked once. */
export function canMount(): boolean {
  return (answer ??= tryMount());
}

function tryMount(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'skein-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'skein-test', dir], { stdio: 'ignore' });
    execFileSync('umount', [dir], { stdio: 'ignore' });
    return true;
  } catch {
    process.stdout.write('skipped: tests of full disks (this process may not mount; run as root)\n');
    return false;
  } finally {
    rmdirSync(dir);
  }
}

export class SmallDisk implements AsyncDisposable {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** `mib` MiB at `dir`, which is made. */
  static async mount(dir: string, mib: number): Promise<SmallDisk> {
    mkdirSync(dir, { recursive: true });
    await run('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'skein-test', dir]);
    return new SmallDisk(dir);
  }

  /** Writes until nothing fits any more. What it wrote is `ballast`. */
  async fill(): Promise<void> {
    await using file = await open(join(this.dir, 'ballast'), 'w');
    for (const bytes of [65_536, 1]) {
      const chunk = Buffer.alloc(bytes);
      try {
        while ((await file.write(chunk)).bytesWritten === bytes);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  }

  /** Takes the ballast away. */
  async free(): Promise<void> {
    await rm(join(this.dir, 'ballast'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Lazily: somebody may look into it still.
    await run('umount', ['-l', this.dir]);
  }
}
