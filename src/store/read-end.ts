/** The end of an object that may be long, read by range. */
import { callPatiently, type PersistOptions } from './create-or-confirm.ts';
import type { ObjectInfo, ObjectStore } from './port.ts';

/** What is read of a longer object: its end. */
const MAX_READ_BYTES = 8 * 1024 * 1024;

export interface ReadEnd {
  readonly bytes: Buffer;
  /** Bytes before these that were not read. */
  readonly skippedBytes: number;
}

/** An object's bytes, or the last of them; undefined if it is gone. @throws SkeinError the store's */
export async function readEnd(
  store: ObjectStore,
  { name, sizeBytes }: Pick<ObjectInfo, 'name' | 'sizeBytes'>,
  options: PersistOptions = {},
  maxBytes = MAX_READ_BYTES,
): Promise<ReadEnd | undefined> {
  const start = Math.max(0, sizeBytes - maxBytes);
  const range = start > 0 ? { range: { start } } : {};
  const read = await callPatiently(`reading ${name}`, options, (signal) => store.read(name, { ...range, signal }));
  return read && { bytes: read.bytes, skippedBytes: start };
}

/** Whether `bytes` are no text: a person's terminal is not to show them. */
export function isBinary(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 64 * 1024).includes(0);
}
