/**
 * The form of a journal's records: `length, crc32, header length` (three little-endian uint32), header as JSON, payload.
 *
 * Not here: files (`journal.ts`), what a header says (`spool.ts`).
 *
 * Invariant: a record that is cut or changed is never taken for one: reading stops in front of it.
 */
import { crc32 } from 'node:zlib';

const PREFIX_BYTES = 12;
/** Longer than any that is written: what claims to be longer is damage. */
const MAX_BODY_BYTES = 1 << 30;

export interface JournalRecord {
  /** Names the record for ever, also when it is copied to another segment. 0: it only settles others. */
  readonly id: number;
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Buffer;
  /** Ids that are settled by this record. */
  readonly settles: readonly number[];
}

/** A record with its place in the segment that it was read from. */
export interface PlacedRecord extends JournalRecord {
  readonly offset: number;
  readonly size: number;
}

export function encodeRecord({ id, header, payload, settles }: JournalRecord): Buffer {
  const head = Buffer.from(JSON.stringify({ id, ...(settles.length > 0 && { settles }), header }));
  const body = head.byteLength + payload.byteLength;
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + body);
  bytes.writeUInt32LE(body, 0);
  bytes.writeUInt32LE(head.byteLength, 8);
  head.copy(bytes, PREFIX_BYTES);
  payload.copy(bytes, PREFIX_BYTES + head.byteLength);
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

/** The record at `offset`, undefined at the end of `bytes` and in front of damage. */
export function decodeRecord(bytes: Buffer, offset: number): PlacedRecord | undefined {
  if (offset + PREFIX_BYTES > bytes.byteLength) return undefined;
  const body = bytes.readUInt32LE(offset);
  const headLength = bytes.readUInt32LE(offset + 8);
  const end = offset + PREFIX_BYTES + body;
  if (body > MAX_BODY_BYTES || headLength > body || end > bytes.byteLength) return undefined;
  if (crc32(bytes.subarray(offset + 8, end)) !== bytes.readUInt32LE(offset + 4)) return undefined;
  const start = offset + PREFIX_BYTES;
  const head = JSON.parse(bytes.toString('utf8', start, start + headLength)) as {
    id: number;
    settles?: number[];
    header: Record<string, unknown>;
  };
  return {
    id: head.id,
    header: head.header,
    payload: bytes.subarray(start + headLength, end),
    settles: head.settles ?? [],
    offset,
    size: end - offset,
  };
}
