/**
 * A lease: an object in the store that says which head acts, on the whole bucket (daemons) or on one run. Taken, renewed
 * and given up by compare-and-set (DESIGN "Head life"; reliability I4).
 *
 *     absent, released, own, of a dead process ──▶ taken at once, epoch + 1
 *     another's ──▶ watched: its generation changes ──▶ refused
 *                            unchanged for `ttlMs`  ──▶ taken, epoch + 1
 *
 * Invariants: L1 the epoch rises with every taking. L2 whoever was frozen finds out before it acts: `holds` asks the
 * clock, not a flag. L3 a holder stops acting `ttlMs / 3` before anybody may take its lease. L4 no wall clock of another
 * machine is believed; ours only makes our own lease older.
 */
import { z } from 'zod';

import { isSkeinError } from '../kernel/errors.ts';
import { jsonBytes, parseJson } from '../kernel/json.ts';
import { sleep as wait } from '../kernel/retry.ts';
import { compareAndSet } from '../store/compare-and-set.ts';
import { readPatiently } from '../store/create-or-confirm.ts';
import type { ObjectStore, StoredObject } from '../store/port.ts';
import { isProcessGone, ownProcess } from './process-identity.ts';

const leaseSchema = z.looseObject({
  /** 1 for the first holder; every taking adds one. */
  epoch: z.number().int().nonnegative(),
  /** Made once per data dir; the same head takes its lease again at once. */
  head_id: z.string(),
  /** New at every start. */
  boot_id: z.string(),
  /** `host:port`, empty while it is not bound. */
  address: z.string().default(''),
  kind: z.enum(['daemon', 'embedded']),
  /** Milliseconds since the epoch by the holder's clock: for people. */
  renewed_at_ms: z.number(),
  /** See `process-identity.ts`. */
  process: z.string().default(''),
  /** Given up in good order: anybody may take it. */
  released: z.boolean().default(false),
});

export type LeaseDocument = z.infer<typeof leaseSchema>;

export interface LeaseOwner {
  readonly headId: string;
  readonly bootId: string;
  readonly kind: LeaseDocument['kind'];
}

/** Times and clocks; the defaults are DESIGN's. */
export interface LeaseTimes {
  /** Default 15,000. */
  readonly ttlMs?: number;
  /** Default 5,000; 0 = never renewed, and never expiring by itself (a daemon's lease of a run). */
  readonly renewMs?: number;
  /** For tests: monotonic milliseconds. */
  readonly now?: () => number;
  /** For tests. */
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<unknown>;
}

export interface LeaseOptions extends LeaseTimes {
  readonly store: ObjectStore;
  readonly name: string;
  readonly owner: LeaseOwner;
  readonly address?: string;
  /** What to do with another's lease, where more is known than its name tells. Default: watch it. */
  readonly judge?: (standing: LeaseDocument) => Promise<'take' | 'watch' | 'refuse'>;
  /** Somebody else holds it now. Called once. */
  readonly onLost?: (by: LeaseDocument | undefined) => void;
  /** A renewal came through. */
  readonly onRenewed?: () => void;
  /** A renewal failed and is tried again. */
  readonly onTrouble?: (error: unknown) => void;
  readonly signal?: AbortSignal;
}

export type LeaseOutcome =
  | { readonly kind: 'held'; readonly lease: Lease }
  | { readonly kind: 'refused'; readonly by: LeaseDocument };

const TTL_MS = 15_000;
const RENEW_MS = 5_000;

export class Lease {
  readonly epoch: number;
  /** Somebody else holds it now. Called once, at the renewal that finds out. */
  onLost: ((by: LeaseDocument | undefined) => void) | undefined;
  readonly #options: LeaseOptions;
  readonly #now: () => number;
  #generation: string;
  #renewedMs: number;
  #renewedAtWallMs: number;
  #address: string;
  #state: 'held' | 'lost' | 'released' = 'held';
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(options: LeaseOptions, epoch: number, generation: string, writtenMs: number) {
    this.#options = options;
    this.#now = options.now ?? monotonic;
    this.epoch = epoch;
    this.onLost = options.onLost;
    this.#generation = generation;
    this.#renewedMs = writtenMs;
    this.#renewedAtWallMs = Date.now();
    this.#address = options.address ?? '';
    this.#schedule();
  }

  /** Takes the lease, or says who has it; may watch it for `ttlMs` first. @throws SkeinError the store's | CANCELLED */
  static async acquire(options: LeaseOptions): Promise<LeaseOutcome> {
    const { store, name, owner, judge, signal, sleep = wait, ttlMs = TTL_MS } = options;
    const now = options.now ?? monotonic;
    let watched: { readonly generation: string; readonly sinceMs: number } | undefined;
    for (;;) {
      const standing = await readPatiently(store, name, { signal });
      const document = standing && parseLease(standing);
      if (standing && document && !isFree(document, owner) && !(await mayTake(document))) {
        if (watched && watched.generation !== standing.generation) return { kind: 'refused', by: document };
        watched ??= { generation: standing.generation, sinceMs: now() };
        if (now() - watched.sinceMs < ttlMs) {
          if ((await judge?.(document)) === 'refuse') return { kind: 'refused', by: document };
          await sleep(Math.min(500, ttlMs / 10), signal);
          continue;
        }
      }
      const epoch = (document?.epoch ?? 0) + 1;
      const startedMs = now();
      const outcome = await compareAndSet(
        store,
        name,
        bytesOf(owner, epoch, options.address ?? '', false),
        standing?.generation,
        { signal },
      );
      if (outcome.kind === 'written') {
        return { kind: 'held', lease: new Lease(options, epoch, outcome.generation, startedMs) };
      }
      // Somebody else was faster: from here on it is theirs, unless it proves otherwise.
      watched = undefined;
    }

    async function mayTake(document: LeaseDocument): Promise<boolean> {
      return isProcessGone(document.process) || (await judge?.(document)) === 'take';
    }
  }

  /** Whether its holder may act at this instant (L2, L3). */
  holds(): boolean {
    if (this.#state !== 'held') return false;
    const { renewMs = RENEW_MS, ttlMs = TTL_MS } = this.#options;
    if (renewMs === 0) return true;
    // A suspended machine stops the monotonic clock, not the wall's: the older one counts. Tests have but one clock.
    const wallMs = this.#options.now ? 0 : Date.now() - this.#renewedAtWallMs;
    return Math.max(this.#now() - this.#renewedMs, wallMs) < (ttlMs * 2) / 3;
  }

  get isLost(): boolean {
    return this.#state === 'lost';
  }

  /** Renews it now, with a new address if one is given. */
  renew(address = this.#address): Promise<void> {
    this.#address = address;
    this.#writing = this.#writing.then(() => this.#write(false));
    return this.#writing;
  }

  /** Gives it up, so that anybody may take it at once. Never throws: what is not given up expires. */
  async release(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
    if (this.#state !== 'held') return;
    await this.#write(true);
    if (this.#state === 'held') this.#state = 'released';
  }

  /** Stops renewing without giving it up: whoever starts with the same head id takes it at once. */
  abandon(): void {
    clearTimeout(this.#timer);
    if (this.#state === 'held') this.#state = 'released';
  }

  #schedule(): void {
    const { renewMs = RENEW_MS } = this.#options;
    if (renewMs === 0) return;
    this.#timer = setTimeout(
      () => void this.renew().finally(() => this.#state === 'held' && this.#schedule()),
      renewMs,
    );
    this.#timer.unref();
  }

  /** Written by this very holding of it. */
  #isOurs({ head_id: headId, boot_id: bootId, epoch }: LeaseDocument): boolean {
    const { owner } = this.#options;
    return headId === owner.headId && bootId === owner.bootId && epoch === this.epoch;
  }

  async #write(isLast: boolean): Promise<void> {
    if (this.#state !== 'held') return;
    const { store, name, owner, onRenewed, onTrouble, renewMs = RENEW_MS } = this.#options;
    const [startedMs, startedAtWallMs] = [this.#now(), Date.now()];
    try {
      const bytes = bytesOf(owner, this.epoch, this.#address, isLast);
      for (;;) {
        const outcome = await compareAndSet(store, name, bytes, this.#generation, {
          tries: 3,
          callTimeoutMs: Math.max(1_000, renewMs),
        });
        if (outcome.kind === 'written') {
          this.#generation = outcome.generation;
          this.#renewedMs = startedMs;
          this.#renewedAtWallMs = startedAtWallMs;
          onRenewed?.();
          return;
        }
        const by = outcome.standing && parseLease(outcome.standing);
        if (outcome.standing && by && this.#isOurs(by)) {
          // A renewal of ours that was given up as failed had been done.
          this.#generation = outcome.standing.generation;
          continue;
        }
        this.#state = 'lost';
        clearTimeout(this.#timer);
        this.onLost?.(by);
        return;
      }
    } catch (error) {
      onTrouble?.(error);
    }
  }
}

/** What stands under `name`, undefined if nothing does. */
export async function readLease(store: ObjectStore, name: string): Promise<LeaseDocument | undefined> {
  const standing = await readPatiently(store, name);
  return standing && parseLease(standing);
}

/** One line about another holder: where it is and when it was last heard of. */
export function describeHolder({ kind, address, head_id: id, renewed_at_ms: renewedMs }: LeaseDocument): string {
  const who = kind === 'daemon' ? 'the head' : 'a skein command with a head of its own';
  return `${who}${address ? ` at ${address}` : ` (${id})`}, last seen ${new Date(renewedMs).toISOString()}`;
}

const monotonic = (): number => performance.now();

function isFree(document: LeaseDocument, owner: LeaseOwner): boolean {
  return document.released || document.head_id === owner.headId;
}

/** An unreadable lease is nobody's. */
export function parseLease(standing: StoredObject): LeaseDocument | undefined {
  try {
    return leaseSchema.safeParse(parseJson(standing.name, standing.bytes)).data;
  } catch (error) {
    if (isSkeinError(error, 'CORRUPT')) return undefined;
    throw error;
  }
}

function bytesOf(owner: LeaseOwner, epoch: number, address: string, released: boolean): Buffer {
  const document: LeaseDocument = {
    epoch,
    head_id: owner.headId,
    boot_id: owner.bootId,
    address,
    kind: owner.kind,
    renewed_at_ms: Date.now(),
    process: ownProcess(),
    released,
  };
  return jsonBytes(document, 2);
}
