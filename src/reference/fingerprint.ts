/**
 * The identity of stage 1's inputs: a digest of content only, the same on every machine (P-12). Paths, times and the
 * place of the dataset do not count; another version of our own stage 1 does.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

import { databaseFiles } from '../dataset/dataset.ts';
import { asError, SkeinError, systemCode } from '../kernel/errors.ts';

/** Raise it whenever stage 1 makes something else of the same inputs: caches are then built anew. */
export const STAGE1_VERSION = 1;
/** Hex digits of the fingerprint. */
const LENGTH = 16;

/**
 * The fingerprint of `database` in the dataset at `dir`: the first 16 hex digits of a SHA-256 over its name, its SQLite
 * file (with what stands in a `-wal` beside it), its meanings and its KB.
 * @throws SkeinError INVALID_INPUT naming the input that is not there (D-01)
 */
export async function stage1Fingerprint(dir: string, database: string): Promise<string> {
  const { sqlite, meanings, kb } = databaseFiles(dir, database);
  const [main, wal, meaningsDigest, kbDigest] = await Promise.all([
    fileDigest(sqlite),
    walDigest(`${sqlite}-wal`),
    fileDigest(meanings),
    fileDigest(kb),
  ]);
  return createHash('sha256')
    .update(`skein-stage1=${STAGE1_VERSION}\ndatabase=${database}\nsqlite=${main}\n`)
    .update(wal === undefined ? '' : `wal=${wal}\n`)
    .update(`meanings=${meaningsDigest}\nkb=${kbDigest}\n`)
    .digest('hex')
    .slice(0, LENGTH);
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  } catch (error) {
    const reason = systemCode(error) === 'ENOENT' ? 'there is no such file' : asError(error).message;
    throw new SkeinError('INVALID_INPUT', `${path}: ${reason}`, { cause: error });
  }
  return hash.digest('hex');
}

/** An empty `-wal` says nothing. */
async function walDigest(path: string): Promise<string | undefined> {
  const size = await stat(path).then(
    (stats) => stats.size,
    () => 0,
  );
  return size === 0 ? undefined : fileDigest(path);
}
