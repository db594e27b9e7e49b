/**
 * Whole reads and writes on bare file descriptors. A FileHandle costs twice as much a file, and rows and logs come by the
 * thousand. Short reads and writes are continued; nothing here syncs or names anything.
 *
 * Rule of the store's calls: what waits for the disk (a sync, the content of a file) is asked of libuv's threads; what the
 * kernel answers from memory (a small write, a new name, a folder) is done in place. A trip to a thread and back costs two
 * cores ten times what such a call does. Whoever reads in place takes a `breath` each time.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';

export const fsyncFile = promisify(fs.fsync);

/** One turn of the event loop: a reader that goes on for ever must not starve timers and sockets. */
export function breath(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What is copied to or from the page cache in place; that takes some microseconds. */
const SMALL_BYTES = 128 * 1024;

/** Writes all of `bytes` at the descriptor's place. One `write` may take less than it is given, without an error. */
export async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  const isSmall = bytes.byteLength <= SMALL_BYTES;
  for (let offset = 0; offset < bytes.byteLength;) {
    offset += isSmall ? fs.writeSync(fd, bytes, offset) : await writeOnce(fd, bytes, offset);
  }
}

function writeOnce(fd: number, bytes: Uint8Array, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, bytes, offset, bytes.byteLength - offset, null, (error, written) =>
      error ? reject(error) : resolve(written),
    );
  });
}

/** The whole file at `path`: in place if it is small. @throws the system's error */
export async function readWhole(path: string): Promise<Buffer> {
  const fd = fs.openSync(path, 'r');
  try {
    return await readUpTo(fd, 0, fs.fstatSync(fd).size);
  } finally {
    fs.closeSync(fd);
  }
}

/** Up to `length` bytes from `start`; fewer if the file ends before. */
export async function readUpTo(fd: number, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  const isSmall = length <= SMALL_BYTES;
  while (filled < length) {
    const place = start + filled;
    const read = isSmall
      ? fs.readSync(fd, bytes, filled, length - filled, place)
      : await readOnce(fd, bytes, filled, place);
    if (read === 0) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

function readOnce(fd: number, bytes: Buffer, offset: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, bytes, offset, bytes.byteLength - offset, position, (error, read) =>
      error ? reject(error) : resolve(read),
    );
  });
}
