/**
 * Whole reads and writes on bare file descriptors. A FileHandle costs twice as much a file, and rows and logs come by the
 * thousand. Short reads and writes are continued; nothing here syncs or names anything.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';

export const openFile = promisify(fs.open);
export const fsyncFile = promisify(fs.fsync);

/** Writes all of `bytes` at the descriptor's place. One `write` may take less than it is given, without an error. */
export async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength;) offset += await writeOnce(fd, bytes, offset);
}

function writeOnce(fd: number, bytes: Uint8Array, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, bytes, offset, bytes.byteLength - offset, null, (error, written) =>
      error ? reject(error) : resolve(written),
    );
  });
}

/** Up to `length` bytes from `start`; fewer if the file ends before. */
export async function readUpTo(fd: number, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const read = await readOnce(fd, bytes, filled, start + filled);
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
