/**
 * What a node owes the store, kept in its data dir until the store has it (DESIGN rule 1): which tasks started, the rows
 * and logs of those that ended, the databases that this node was allowed to encode, and what a head must hear of them. Whoever starts next on the data
 * dir ships what is there and knows what was started and left nothing.
 *
 * Not here: files (`journal.ts`), the shipping (`run-executor.ts`, `spool-recovery.ts`).
 *
 * Invariants: S1 a start is with the kernel before its actor hears of it: after a SIGKILL it is known. A crash of the
 * whole machine may lose the last milliseconds of starts, never of what depends on `grant`. S2 a result stays until
 * `settle`, which comes when the store has all of it. S3 one process uses a spool at a time; the daemon's lock over its data
 * dir sees to that.
 */
import { statfs } from 'node:fs/promises';

import { z } from 'zod';

import { describeError, SkeinError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import type { Logger } from '../kernel/log.ts';
import { Journal, type JournalOptions } from './journal.ts';
import type { JournalRecord } from './journal-record.ts';

/** One attempt, as the spool names it. */
export interface SpoolTask {
  readonly runId: string;
  readonly instanceId: string;
  readonly attempt: number;
  readonly database: string;
}

const task = { runId: z.string(), instanceId: z.string(), attempt: z.number(), database: z.string() };

const startHeader = z.object({
  kind: z.literal('start'),
  ...task,
  bootId: z.string(),
  startedMs: z.number(),
  /** Where it writes, and where an encoder leaves its sessions: what there is of them is shipped though it left no result. */
  scratchDir: z.string().default(''),
  sessionsRoot: z.string().default(''),
});

const resultHeader = z.object({
  kind: z.literal('result'),
  ...task,
  /** Of the payload: the row comes first, then the log. */
  rowBytes: z.number(),
  /** Its scratch folder, `''` if there is none: the debug bundle. */
  scratchDir: z.string(),
  /** Where encoders left their sessions, and since when they are this task's; `''` if it was none's. */
  sessionsRoot: z.string(),
  startedMs: z.number(),
  /** What lies in its scratch folder, for the spool's limit. */
  bundleBytes: z.number().default(0),
});

const grantHeader = z.object({
  kind: z.literal('grant'),
  runId: z.string(),
  database: z.string(),
  epoch: z.number(),
  /** Where the reference will stand. */
  referenceRoot: z.string(),
});

const readyHeader = z.object({
  kind: z.literal('ready'),
  runId: z.string(),
  database: z.string(),
  epoch: z.number(),
  shard: z.string(),
  digest: z.string(),
  wasEncoded: z.boolean(),
});

export type SpoolStart = z.infer<typeof startHeader>;
export type SpoolGrant = z.infer<typeof grantHeader>;
export type SpoolReady = z.infer<typeof readyHeader>;
export type SpoolResult = z.infer<typeof resultHeader> & { readonly row: Buffer; readonly log: Buffer };

/** What an earlier life left, each with the id to `settle` it by. */
export interface SpoolLeft {
  readonly results: readonly (SpoolResult & { readonly id: number })[];
  /** Started, and neither ended nor given back. */
  readonly orphans: readonly (SpoolStart & { readonly id: number })[];
  readonly grants: readonly (SpoolGrant & { readonly id: number })[];
  /** References that are stored, and of which no head has acknowledged to have heard. */
  readonly ready: readonly (SpoolReady & { readonly id: number })[];
}

export interface SpoolOptions extends Pick<JournalOptions, 'dir' | 'segmentBytes' | 'retryMs'> {
  /** Of this life of the daemon. */
  readonly bootId: string;
  readonly log: Logger;
  /** With less room than this on its disk the node takes nothing new. Default 64 MiB. */
  readonly minFreeBytes?: number;
  /**
   * At so many bytes of what is owed (rows, logs, bundles) the node takes nothing new until a good part of it is stored;
   * what runs then still adds its results. Default 4 GiB.
   */
  readonly limitBytes?: number;
  /** Whether a start that left nothing is told to the next life, as proof of a loss. Default true. */
  readonly keepsStarts?: boolean;
}

const MIN_FREE_BYTES = 64 * 1024 * 1024;
export const SPOOL_LIMIT_BYTES = 4 * 1024 ** 3;
/** The share of the limit below which a full spool takes work again: not one task for each one that is stored. */
const GO_ON_SHARE = 0.8;
const LOOK_EVERY_MS = 2_000;

export class Spool implements AsyncDisposable {
  #left: SpoolLeft;
  readonly #journal: Journal;
  readonly #options: SpoolOptions;
  readonly #listeners = new Set<() => void>();
  readonly #rows = new Set<number>();
  /** The start of each result that is not settled. */
  readonly #startOf = new Map<number, number>();
  /** Bytes of each unsettled result's bundle. */
  readonly #bundles = new Map<number, number>();
  #bundleBytes = 0;
  readonly #watch: NodeJS.Timeout;
  #writeTrouble: string | undefined;
  #roomTrouble: string | undefined;
  #limitTrouble: string | undefined;

  private constructor(options: SpoolOptions, journal: Journal, left: SpoolLeft) {
    this.#options = options;
    this.#journal = journal;
    this.#left = left;
    for (const { id, bundleBytes } of left.results) {
      this.#rows.add(id);
      this.#keepBundle(id, bundleBytes);
    }
    this.#watch = setInterval(() => void this.lookForRoom(), LOOK_EVERY_MS).unref();
  }

  /** @throws SkeinError DISK_FULL | STORE_UNAVAILABLE when its folder cannot be used */
  static async open(options: SpoolOptions): Promise<Spool> {
    const { log, dir } = options;
    let tell: (error: Error | undefined) => void = () => {};
    const { journal, records, damage } = await Journal.open({ ...options, onTrouble: (error) => tell(error) });
    for (const text of damage) log.warn({ dir, damage: text }, 'spool: the end of a segment cannot be read');
    const spool = new Spool(options, journal, leftOf(records, journal, log));
    tell = (error) => spool.#setTrouble(error);
    spool.#weigh();
    await spool.lookForRoom();
    return spool;
  }

  /** What an earlier life left; given once, since it may be large. */
  takeLeft(): SpoolLeft {
    const left = this.#left;
    this.#left = { results: [], orphans: [], grants: [], ready: [] };
    return left;
  }

  /** Why nothing new may be started, undefined if all is well: `disk full: …`, `spool full: …`. */
  get trouble(): string | undefined {
    return this.#writeTrouble ?? this.#roomTrouble ?? this.#limitTrouble;
  }

  /** Bytes that the store does not have yet: what is in the journal, and the bundles of ended tasks. */
  get bytes(): number {
    return this.#journal.liveBytes + this.#bundleBytes;
  }

  /** Rows that the store does not have yet. */
  get rows(): number {
    return this.#rows.size;
  }

  /** Calls back whenever `trouble` changes; gives the way to stop that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** An actor is about to get the task. Nothing where starts are not kept. @throws SkeinError DISK_FULL | STORE_UNAVAILABLE: it must not start */
  start(started: SpoolTask & Partial<Pick<SpoolStart, 'scratchDir' | 'sessionsRoot'>>): number | undefined {
    const { runId, instanceId, attempt, database, scratchDir = '', sessionsRoot = '' } = started;
    const { bootId, keepsStarts = true } = this.#options;
    if (!keepsStarts) return undefined;
    const header: SpoolStart = {
      kind: 'start',
      runId,
      instanceId,
      attempt,
      database,
      bootId,
      scratchDir,
      sessionsRoot,
      startedMs: Date.now(),
    };
    const id = this.#journal.append(header);
    try {
      // In place: a tick of a busy loop takes longer than the write.
      this.#journal.writeNow();
    } catch (error) {
      this.#journal.settle(id);
      throw error;
    }
    failPoint('spool.after-start');
    return id;
  }

  /** A task has ended. Its start and its result stay until the result is settled. */
  result(start: number | undefined, { row, log, ...header }: Omit<SpoolResult, 'kind' | 'rowBytes'>): number {
    const id = this.#journal.append(
      { ...header, kind: 'result', rowBytes: row.byteLength },
      log.byteLength === 0 ? row : Buffer.concat([row, log]),
    );
    if (start !== undefined) this.#startOf.set(id, start);
    this.#rows.add(id);
    this.#keepBundle(id, header.bundleBytes);
    this.#weigh();
    return id;
  }

  /**
   * This node may encode a database, and will owe the store its reference. On the disk when this resolves.
   * @throws SkeinError DISK_FULL | STORE_UNAVAILABLE: nothing may be built
   */
  async grant(grant: Omit<SpoolGrant, 'kind'>): Promise<number> {
    const id = this.#journal.append({ kind: 'grant', ...grant });
    try {
      await this.#journal.synced();
    } catch (error) {
      this.#journal.settle(id);
      throw error;
    }
    failPoint('spool.after-grant');
    return id;
  }

  /** The reference of a grant is stored: from now on the word of it is owed, to a head. */
  ready(grant: number, ready: Omit<SpoolReady, 'kind'>): number {
    const id = this.#journal.append({ kind: 'ready', ...ready });
    this.#journal.settle(grant);
    return id;
  }

  /** The row of a result is stored: it no longer counts as owed, though its log and bundle may be on their way. */
  rowStored(id: number): void {
    this.#rows.delete(id);
  }

  /** The store has all of it, or nothing of it is owed any more. */
  settle(id: number | undefined): void {
    if (id === undefined) return;
    failPoint('spool.before-settle');
    this.#rows.delete(id);
    this.#journal.settle(id);
    const start = this.#startOf.get(id);
    if (start !== undefined) this.#journal.settle(start);
    this.#startOf.delete(id);
    this.#bundleBytes -= this.#bundles.get(id) ?? 0;
    this.#bundles.delete(id);
    this.#weigh();
  }

  /** Everything that was added is with the kernel: a SIGKILL loses nothing of it. @throws as `synced` */
  written(): Promise<void> {
    return this.#journal.written();
  }

  /** Everything that was added is on the disk. @throws SkeinError DISK_FULL | STORE_UNAVAILABLE */
  synced(): Promise<void> {
    return this.#journal.synced();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#watch);
    await this.#journal[Symbol.asyncDispose]();
  }

  /** Looks whether the disk has room for more work: before one is met, a full disk costs nothing. */
  async lookForRoom(): Promise<void> {
    const { dir, minFreeBytes = MIN_FREE_BYTES } = this.#options;
    const { bavail, bsize } = await statfs(dir).catch(() => ({ bavail: Infinity, bsize: 1 }));
    const freeBytes = bavail * bsize;
    const before = this.trouble;
    this.#roomTrouble =
      freeBytes < minFreeBytes
        ? `disk full: ${Math.floor(freeBytes / 2 ** 20)} MiB are free in ${dir}, ${Math.ceil(minFreeBytes / 2 ** 20)} are needed to take work; free space`
        : undefined;
    if (this.trouble !== before) this.#changed();
  }

  #keepBundle(id: number, bytes: number): void {
    if (bytes === 0) return;
    this.#bundles.set(id, bytes);
    this.#bundleBytes += bytes;
  }

  /** Looks whether what is owed has come to the limit, or has left it. */
  #weigh(): void {
    const { limitBytes = SPOOL_LIMIT_BYTES } = this.#options;
    const goOnBytes = Math.floor(limitBytes * GO_ON_SHARE);
    const isFull = this.bytes >= (this.#limitTrouble === undefined ? limitBytes : goOnBytes);
    if (isFull === (this.#limitTrouble !== undefined)) return;
    const before = this.trouble;
    this.#limitTrouble = isFull
      ? `spool full: ${this.bytes} bytes wait for the store, the limit is ${limitBytes}; work is taken again below ${goOnBytes}`
      : undefined;
    if (this.trouble !== before) this.#changed();
  }

  #setTrouble(error: Error | undefined): void {
    this.#writeTrouble =
      error &&
      `${error instanceof SkeinError && error.code === 'DISK_FULL' ? 'disk full' : 'spool'}: ${describeError(error)}`;
    this.#changed();
  }

  #changed(): void {
    const { log, dir } = this.#options;
    if (this.trouble) log.error({ dir, trouble: this.trouble }, 'spool: nothing new is taken');
    else log.info({ dir }, 'spool: all is well again');
    for (const listener of this.#listeners) listener();
  }
}

/** What the records of an earlier life come to. Those that cannot be understood are settled, with a line in the log. */
function leftOf(records: readonly JournalRecord[], journal: Journal, log: Logger): SpoolLeft {
  const results: (SpoolResult & { id: number })[] = [];
  const starts = new Map<string, SpoolStart & { id: number }>();
  const grants: (SpoolGrant & { id: number })[] = [];
  const ready: (SpoolReady & { id: number })[] = [];
  const keyOf = ({ runId, instanceId, attempt }: SpoolTask): string => `${runId}/${instanceId}/${attempt}`;
  for (const { id, header, payload } of records) {
    const [start, result, grant, word] = [
      startHeader.safeParse(header),
      resultHeader.safeParse(header),
      grantHeader.safeParse(header),
      readyHeader.safeParse(header),
    ];
    if (start.success) starts.set(keyOf(start.data), { ...start.data, id });
    else if (grant.success) grants.push({ ...grant.data, id });
    else if (word.success) ready.push({ ...word.data, id });
    else if (result.success) {
      const row = payload.subarray(0, result.data.rowBytes);
      results.push({ ...result.data, id, row, log: payload.subarray(result.data.rowBytes) });
    } else {
      log.error({ header }, 'spool: a record of another version is dropped');
      journal.settle(id);
    }
  }
  for (const result of results) {
    const start = starts.get(keyOf(result));
    if (!start) continue;
    starts.delete(keyOf(result));
    journal.settle(start.id);
  }
  return { results, orphans: [...starts.values()], grants, ready };
}
