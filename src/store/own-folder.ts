/**
 * `.skein-store/`, the one folder at a directory store's root that is not objects: `tmp/` for files being written, and
 * `lock.sqlite` (`write-lock.ts`).
 *
 * Invariants: O1 a temp's name tells whose it is, so that only those of dead processes are swept. O2 nothing is made
 * here before the first write. O3 what was swept by mistake (another machine's) is written again by its owner.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { systemCode } from '../kernel/errors.ts';
import { sha256 } from '../kernel/digest.ts';
import { discard } from './durable-file.ts';
import { OWN_FOLDER } from './object-name.ts';

/** Temps of other machines or containers, whose processes cannot be seen from here, are swept at this age. */
const FOREIGN_AGE_MS = 24 * 3600 * 1000;

const TEMP = /^([0-9a-f]{8})-([0-9]+)-([0-9a-f]{8})-[0-9]+$/;

/** Where process ids mean the same: this boot of this machine, and this process id namespace. */
function processSpace(): string {
  const parts = [hostname()];
  try {
    parts.push(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'), readlinkSync('/proc/self/ns/pid'));
  } catch {
    // Not Linux: the host name has to do.
  }
  return sha256(parts.join('\n')).slice(0, 8);
}

export class OwnFolder {
  readonly tempDir: string;
  readonly lockPath: string;
  readonly #space = processSpace();
  readonly #nonce = randomBytes(4).toString('hex');
  #count = 0;

  constructor(root: string) {
    this.tempDir = join(root, OWN_FOLDER, 'tmp');
    this.lockPath = join(root, OWN_FOLDER, 'lock.sqlite');
  }

  /** A path for a new temp of this process. */
  newTemp(): string {
    this.#count += 1;
    return join(this.tempDir, `${this.#space}-${process.pid}-${this.#nonce}-${this.#count}`);
  }

  /** Removes the temps of processes that are gone. Makes nothing; a store that is not there yet has none. */
  async sweep(nowMs: number): Promise<void> {
    const names = await readdir(this.tempDir).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
      throw error;
    });
    await Promise.all(
      names.map(async (name) => {
        const path = join(this.tempDir, name);
        const [, space, pid] = TEMP.exec(name) ?? [];
        if (space === this.#space) return isAlive(Number(pid)) ? undefined : discard(path);
        const entry = await lstat(path).catch(() => undefined);
        if (entry !== undefined && nowMs - entry.mtimeMs > FOREIGN_AGE_MS) discard(path);
      }),
    );
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}
