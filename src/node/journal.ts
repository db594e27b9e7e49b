/**
 * An append-only journal of records in segment files: written once a tick for all that came in it, synced by one
 * `fdatasync` for all that came in some milliseconds (group commit). A record stays until it is settled.
 *
 * Not here: what records mean (`spool.ts`); who else may use the folder (the daemon's lock over its data dir).
 *
 * Invariants: J1 `written` resolved means that a SIGKILL loses nothing of it, `synced` that a crash of the machine does
 * not. J2 a file never shows a part of a record: a write that a full disk cut short is taken back, and what it held stays
 * in memory, to be written as soon as there is room. J3 a segment goes only when it is the oldest and nothing in it is
 * unsettled, so a settlement outlives what it settles. J4 the files stay small: what little is unsettled in an old
 * segment is copied to the newest one.
 */
import fs from 'node:fs';
import { mkdir, readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { asError } from '../kernel/errors.ts';
import { fsyncDirectory } from '../store/durable-file.ts';
import { fileSystemError } from '../store/fs-errors.ts';
import { decodeRecord, encodeRecord, type JournalRecord } from './journal-record.ts';

const fdatasync = promisify(fs.fdatasync);

const SEGMENT_BYTES = 4 * 1024 * 1024;
/** With more segments than these the oldest is emptied. */
const MAX_SEGMENTS = 4;
/** What is written is synced within this, or at once for who asks. */
const SYNC_WITHIN_MS = 50;
const SEGMENT = /^segment-(\d+)\.journal$/;

export interface JournalOptions {
  /** Made if absent; nobody else's. */
  readonly dir: string;
  /** A segment is closed once it is so long. Default 4 MiB. */
  readonly segmentBytes?: number;
  /** Until a write that failed is tried again. Default 1,000. */
  readonly retryMs?: number;
  /** Told when records cannot be written or synced, and with undefined when they can again. */
  onTrouble?(error: Error | undefined): void;
}

interface Segment {
  readonly path: string;
  bytes: number;
  /** Unsettled records: where they are. */
  readonly live: Map<number, { readonly offset: number; readonly size: number }>;
}

interface Waiting {
  readonly id: number;
  readonly bytes: Buffer;
}

export class Journal implements AsyncDisposable {
  readonly #options: JournalOptions;
  readonly #segmentBytes: number;
  /** Oldest first; the last one is written to. */
  readonly #segments: Segment[] = [];
  readonly #segmentOf = new Map<number, Segment>();
  #liveBytes = 0;
  #fd = -1;
  #nextSegment = 1;
  #nextId = 1;
  #waiting: Waiting[] = [];
  #settled: number[] = [];
  #isScheduled = false;
  #written = Promise.withResolvers<void>();
  #syncing: Promise<void> | undefined;
  /** Segments that were left behind are synced and closed. */
  #closing: Promise<void> = Promise.resolve();
  #isDirty = false;
  #syncTimer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #trouble: Error | undefined;
  #isClosed = false;

  private constructor(options: JournalOptions) {
    this.#options = options;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#written.promise.catch(() => {});
  }

  /**
   * Opens the journal of `dir` and gives what an earlier life left unsettled, oldest first.
   * @throws SkeinError DISK_FULL | STORE_UNAVAILABLE when the folder cannot be used
   */
  static async open(
    options: JournalOptions,
  ): Promise<{ journal: Journal; records: JournalRecord[]; damage: readonly string[] }> {
    const journal = new Journal(options);
    try {
      await mkdir(options.dir, { recursive: true });
      const { records, damage } = await journal.#recover();
      journal.#startSegment();
      await fsyncDirectory(options.dir);
      journal.#dropSettled();
      return { journal, records, damage };
    } catch (error) {
      throw fileSystemError(`opening the journal in ${options.dir}`, error);
    }
  }

  /** Bytes of unsettled records. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Why nothing can be written or synced at the moment. */
  get trouble(): Error | undefined {
    return this.#trouble;
  }

  /** Adds a record; it is written at the end of this tick. Its id. */
  append(header: Readonly<Record<string, unknown>>, payload: Buffer = Buffer.alloc(0)): number {
    const id = this.#nextId;
    this.#nextId += 1;
    const bytes = encodeRecord({ id, header, payload, settles: [] });
    this.#waiting.push({ id, bytes });
    this.#liveBytes += bytes.byteLength;
    this.#schedule();
    return id;
  }

  /** A record is taken care of. Twice is the same as once. */
  settle(id: number): void {
    const at = this.#waiting.findIndex((waiting) => waiting.id === id);
    if (at >= 0) {
      const [{ bytes }] = this.#waiting.splice(at, 1) as [Waiting];
      this.#liveBytes -= bytes.byteLength;
      return;
    }
    if (!this.#dropRecord(id)) return;
    this.#settled.push(id);
    this.#schedule();
  }

  /** Writes what waits now, without waiting for the end of the tick. @throws SkeinError DISK_FULL | STORE_UNAVAILABLE */
  writeNow(): void {
    // While a write is to be tried again nobody makes it fail once more.
    if (!this.#retry) this.#flush();
    if (this.#retry && this.#trouble) throw this.#trouble;
  }

  /** All that was appended before is with the kernel. @throws SkeinError DISK_FULL | STORE_UNAVAILABLE: it waits in memory */
  written(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve();
    // While a write is to be tried again nobody is made to wait for it.
    if (this.#retry && this.#trouble) return Promise.reject(this.#trouble);
    return this.#written.promise;
  }

  /** All that was appended before is on the disk. @throws as `written` */
  async synced(): Promise<void> {
    await this.written();
    // One that is under way may have begun before our write.
    await this.#syncing;
    this.#sync();
    await this.#syncing;
    await this.#closing;
    if (this.#trouble) throw this.#trouble;
  }

  /** Writes what waits, and closes. What is unsettled stays for whoever opens it next. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#flush();
    this.#isClosed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#syncTimer);
    await this.#syncing;
    await this.#closing;
    await fdatasync(this.#fd).catch(() => {});
    fs.closeSync(this.#fd);
  }

  #schedule(): void {
    if (this.#isScheduled || this.#retry) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#isClosed || (this.#waiting.length === 0 && this.#settled.length === 0)) return;
    const settles = this.#settled;
    const note = settles.length > 0 ? [encodeRecord({ id: 0, header: {}, payload: Buffer.alloc(0), settles })] : [];
    const current = this.#segments.at(-1)!;
    const bytes = Buffer.concat([...this.#waiting.map((waiting) => waiting.bytes), ...note]);
    try {
      writeWhole(this.#fd, bytes, current.bytes);
    } catch (error) {
      return this.#failed(error);
    }
    let offset = current.bytes;
    for (const { id, bytes: record } of this.#waiting) {
      current.live.set(id, { offset, size: record.byteLength });
      this.#segmentOf.set(id, current);
      offset += record.byteLength;
    }
    current.bytes += bytes.byteLength;
    this.#waiting = [];
    this.#settled = [];
    this.#isDirty = true;
    const written = this.#written;
    this.#written = Promise.withResolvers<void>();
    this.#written.promise.catch(() => {});
    written.resolve();
    this.#say(undefined);
    this.#syncLater();
    if (current.bytes >= this.#segmentBytes) this.#rotate();
    this.#dropSettled();
  }

  /** What could not be written stays in memory (J2). Who waits for it is told; it is tried again. */
  #failed(error: unknown): void {
    const failure = fileSystemError(`writing to the journal in ${this.#options.dir}`, error);
    const written = this.#written;
    this.#written = Promise.withResolvers<void>();
    this.#written.promise.catch(() => {});
    written.reject(failure);
    this.#say(failure);
    // Settled segments need no record of it to go, and their room may be what is missing.
    this.#dropSettled();
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#flush();
    }, this.#options.retryMs ?? 1_000).unref();
  }

  #say(trouble: Error | undefined): void {
    if (this.#trouble === undefined && trouble === undefined) return;
    this.#trouble = trouble;
    this.#options.onTrouble?.(trouble);
  }

  /** A sync a tick would cost as much as the tasks: what nobody waits for shares one. */
  #syncLater(): void {
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      this.#sync();
    }, SYNC_WITHIN_MS).unref();
  }

  #sync(): void {
    if (this.#syncing || !this.#isDirty || this.#isClosed) return;
    this.#isDirty = false;
    const fd = this.#fd;
    this.#syncing = fdatasync(fd)
      .catch((error: unknown) => this.#say(fileSystemError(`syncing the journal in ${this.#options.dir}`, error)))
      .then(() => {
        this.#syncing = undefined;
      });
  }

  #rotate(): void {
    const old = this.#fd;
    try {
      this.#startSegment();
    } catch (error) {
      // No new file can be made: this one grows on until one can.
      this.#say(fileSystemError(`making a segment in ${this.#options.dir}`, error));
      return;
    }
    const before = this.#closing;
    this.#closing = (async () => {
      await before;
      await this.#syncing;
      try {
        await fdatasync(old);
        await fsyncDirectory(this.#options.dir);
      } catch (error) {
        this.#say(fileSystemError(`syncing the journal in ${this.#options.dir}`, error));
      } finally {
        fs.closeSync(old);
      }
    })();
    if (this.#segments.length > MAX_SEGMENTS) this.#emptyOldest();
  }

  /** Copies what is unsettled in the oldest segment forward, if it is little (J4). */
  #emptyOldest(): void {
    const [oldest] = this.#segments;
    if (!oldest || oldest.live.size === 0) return;
    let liveBytes = 0;
    for (const { size } of oldest.live.values()) liveBytes += size;
    if (liveBytes > this.#segmentBytes / 2) return;
    const current = this.#segments.at(-1)!;
    const copied: (readonly [number, { offset: number; size: number }])[] = [];
    const parts: Buffer[] = [];
    try {
      const bytes = fs.readFileSync(oldest.path);
      let offset = current.bytes;
      for (const [id, place] of oldest.live) {
        parts.push(bytes.subarray(place.offset, place.offset + place.size));
        copied.push([id, { offset, size: place.size }]);
        offset += place.size;
      }
      writeWhole(this.#fd, Buffer.concat(parts), current.bytes);
      // The originals go at once, so the copies must be on the disk.
      fs.fdatasyncSync(this.#fd);
    } catch {
      // They stay where they are; the next rotation tries again.
      return;
    }
    for (const [id, place] of copied) {
      current.live.set(id, place);
      this.#segmentOf.set(id, current);
      current.bytes += place.size;
    }
    oldest.live.clear();
  }

  #dropSettled(): void {
    while (this.#segments.length > 1 && this.#segments[0]!.live.size === 0) {
      const [{ path }] = this.#segments.splice(0, 1) as [Segment];
      void unlink(path).catch(() => {});
    }
  }

  #startSegment(): void {
    const path = join(this.#options.dir, `segment-${String(this.#nextSegment).padStart(8, '0')}.journal`);
    this.#fd = fs.openSync(path, 'wx', 0o600);
    this.#nextSegment += 1;
    this.#segments.push({ path, bytes: 0, live: new Map() });
  }

  async #recover(): Promise<{ records: JournalRecord[]; damage: string[] }> {
    const { dir } = this.#options;
    const names = (await readdir(dir)).filter((name) => SEGMENT.test(name)).sort();
    const found = new Map<number, JournalRecord>();
    const damage: string[] = [];
    for (const name of names) {
      this.#nextSegment = Math.max(this.#nextSegment, Number(SEGMENT.exec(name)?.[1]) + 1);
      const bytes = await readFile(join(dir, name));
      const segment: Segment = { path: join(dir, name), bytes: bytes.byteLength, live: new Map() };
      this.#segments.push(segment);
      let offset = 0;
      for (let record = decodeRecord(bytes, 0); record; record = decodeRecord(bytes, offset)) {
        offset += record.size;
        for (const id of record.settles) this.#forget(id, found);
        if (record.id === 0) continue;
        this.#nextId = Math.max(this.#nextId, record.id + 1);
        // A copy: the original's segment could not be removed any more.
        this.#forget(record.id, found);
        const { id, header, payload, settles } = record;
        found.set(id, { id, header, payload: Buffer.from(payload), settles });
        segment.live.set(id, { offset: record.offset, size: record.size });
        this.#segmentOf.set(id, segment);
        this.#liveBytes += record.size;
      }
      if (offset < bytes.byteLength) damage.push(`${name}: unreadable from byte ${offset} of ${bytes.byteLength}`);
    }
    return { records: [...found.values()].sort((a, b) => a.id - b.id), damage };
  }

  #forget(id: number, found: Map<number, JournalRecord>): void {
    found.delete(id);
    this.#dropRecord(id);
  }

  /** Whether it was there. */
  #dropRecord(id: number): boolean {
    const segment = this.#segmentOf.get(id);
    if (!segment) return false;
    this.#liveBytes -= segment.live.get(id)?.size ?? 0;
    segment.live.delete(id);
    this.#segmentOf.delete(id);
    return true;
  }
}

/** Writes all of `bytes` at `position`, or leaves the file as it was. @throws the system's error */
function writeWhole(fd: number, bytes: Buffer, position: number): void {
  let written = 0;
  try {
    while (written < bytes.byteLength) {
      const count = fs.writeSync(fd, bytes, written, bytes.byteLength - written, position + written);
      if (count === 0) throw Object.assign(new Error('the disk took nothing more'), { code: 'ENOSPC' });
      written += count;
    }
  } catch (error) {
    if (written > 0) fs.ftruncateSync(fd, position);
    throw asError(error);
  }
}
