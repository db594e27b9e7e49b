/** Digests: SHA-256 everywhere, hex; over files and trees it never sees times or absolute paths (P-12). */
import { createHash } from 'node:crypto';

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** One digest over (path, bytes) pairs, whatever their order: path NUL length NUL bytes, sorted by path. */
export function treeDigest(files: Iterable<readonly [path: string, bytes: Uint8Array]>): string {
  const hash = createHash('sha256');
  for (const [path, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
    hash.update(`${path}\0${bytes.byteLength}\0`).update(bytes);
  }
  return hash.digest('hex');
}
