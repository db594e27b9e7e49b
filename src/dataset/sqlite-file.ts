/**
 * A dataset's SQLite file: told from other files by its header, and copied, never opened where it lies: it may be a
 * WAL file, which even a reader leaves `-shm` and `-wal` files beside, and its disk may be read-only.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, chmod, copyFile, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { asError, SkeinError, systemCode } from '../kernel/errors.ts';

const MAGIC = Buffer.from('SQLite format 3\0', 'latin1');
/** Where the header says how the file is written and read: 1 = rollback journal, 2 = WAL. */
const WRITE_VERSION_OFFSET = 18;

/**
 * The journal of the SQLite file at `path`, from its first bytes.
 * @throws SkeinError INVALID_INPUT naming `path`: absent, empty, or no SQLite file
 */
export async function checkSqliteFile(path: string): Promise<'rollback' | 'wal'> {
  const header = Buffer.alloc(20);
  let bytesRead: number;
  try {
    await using file = await open(path, 'r');
    ({ bytesRead } = await file.read(header, 0, header.length, 0));
  } catch (error) {
    const reason = systemCode(error) === 'ENOENT' ? 'there is no such file' : asError(error).message;
    throw new SkeinError('INVALID_INPUT', `database ${path}: ${reason}`, { cause: error });
  }
  if (bytesRead === 0) throw new SkeinError('INVALID_INPUT', `database ${path}: the file is empty (0 bytes)`);
  if (bytesRead < header.length || !header.subarray(0, MAGIC.length).equals(MAGIC)) {
    const begin = JSON.stringify(header.subarray(0, Math.min(bytesRead, MAGIC.length)).toString('latin1'));
    throw new SkeinError('INVALID_INPUT', `database ${path}: no SQLite file, it begins with ${begin}`);
  }
  return header[WRITE_VERSION_OFFSET] === 2 ? 'wal' : 'rollback';
}

/**
 * A private, writable copy of the SQLite file `source` at `target` (its folder is made): one whole file in rollback-journal
 * mode, whatever mode the original is in; changes that stand in a `-wal` beside the original are in it. The target
 * appears by rename (V-22). It is not synced: a scratch copy does not outlive a crash of the machine.
 * @throws SkeinError INVALID_INPUT as `checkSqliteFile`, and when SQLite cannot read a WAL file
 */
export async function copySqliteFile(source: string, target: string): Promise<void> {
  const journal = await checkSqliteFile(source);
  await mkdir(dirname(target), { recursive: true });
  const temporary = `${target}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await copyFile(source, temporary, constants.COPYFILE_FICLONE);
    // The copy inherits the mode of a file that may be read-only.
    await chmod(temporary, 0o600);
    if (journal === 'wal') {
      await copyWal(`${source}-wal`, `${temporary}-wal`);
      leaveWalMode(temporary, source);
    }
    await rename(temporary, target);
  } finally {
    await Promise.all(['', '-wal', '-shm', '-journal'].map((suffix) => rm(`${temporary}${suffix}`, { force: true })));
  }
}

async function copyWal(source: string, target: string): Promise<void> {
  try {
    await access(source);
  } catch {
    return;
  }
  await copyFile(source, target);
  await chmod(target, 0o600);
}

function leaveWalMode(path: string, source: string): void {
  try {
    using database = new DatabaseSync(path);
    database.exec('PRAGMA synchronous = OFF; PRAGMA journal_mode = DELETE;');
  } catch (error) {
    throw new SkeinError('INVALID_INPUT', `database ${source}: SQLite cannot read it: ${asError(error).message}`, {
      cause: error,
    });
  }
}
