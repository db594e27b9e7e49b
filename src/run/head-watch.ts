/**
 * Whether the head of a run lives, as far as the bucket tells: its lease, and for a daemon's run the bucket's (L-05).
 *
 * Invariants: W1 who renews its lease under our eyes lives, whatever its clock says. W2 `gone` needs proof that nobody will
 * come back by itself: a command's lease that was given up, that nobody renews, or whose process is dead. A daemon is
 * never gone: it may be started again on its data dir.
 */
import { readPatiently } from '../store/create-or-confirm.ts';
import { HEAD_LEASE_NAME, runLeaseName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { parseLease, type LeaseDocument } from './lease.ts';
import { isProcessGone } from './process-identity.ts';
import { LEASE_TTL_MS } from './run-lease.ts';

/**
 * `alive`: somebody works on the run. `away`: its daemon does not answer, and may come back. `gone`: the command that worked
 * on it ended. `unknown`: nobody ever did, or it cannot be told yet.
 */
export type HeadSight = 'alive' | 'away' | 'gone' | 'unknown';

export interface HeadWatchOptions {
  /** Judge by a single look: the clocks of two machines must do then. */
  readonly isOnce?: boolean;
  /** For tests: milliseconds since the epoch. */
  readonly now?: () => number;
  readonly signal?: AbortSignal | undefined;
}

/** One waiter's view of one run's head. */
export class HeadWatch {
  readonly #store: ObjectStore;
  readonly #runId: string;
  readonly #options: HeadWatchOptions;
  readonly #seen = new Map<
    string,
    { readonly generation: string; readonly sinceMs: number; readonly isFirst: boolean }
  >();

  constructor(store: ObjectStore, runId: string, options: HeadWatchOptions = {}) {
    this.#store = store;
    this.#runId = runId;
    this.#options = options;
  }

  /** One look. @throws SkeinError the store's | CANCELLED */
  async look(): Promise<HeadSight> {
    const run = await this.#read(runLeaseName(this.#runId));
    if (!run) return 'unknown';
    const { document } = run;
    if (document.kind === 'embedded') {
      if (document.released || isProcessGone(document.process)) return 'gone';
      return this.#renews(run, 'gone');
    }
    if (document.released) return 'away';
    const head = await this.#read(HEAD_LEASE_NAME);
    if (!head || head.document.released || isProcessGone(head.document.process)) return 'away';
    // Another head that holds the bucket takes the run on, or has no right to it.
    return head.document.head_id === document.head_id ? this.#renews(head, 'away') : 'away';
  }

  /** `alive` while the lease is fresh by its time or by our own eyes, `otherwise` once neither is so. */
  #renews({ name, document, generation }: Standing, otherwise: 'gone' | 'away'): HeadSight {
    const { now = Date.now, isOnce = false } = this.#options;
    const nowMs = now();
    const seen = this.#seen.get(name);
    if (seen?.generation !== generation) {
      this.#seen.set(name, { generation, sinceMs: nowMs, isFirst: seen === undefined });
    }
    if (Math.abs(nowMs - document.renewed_at_ms) < LEASE_TTL_MS) return 'alive';
    const { sinceMs, isFirst } = this.#seen.get(name) ?? { sinceMs: nowMs, isFirst: true };
    if (isOnce) return otherwise;
    if (nowMs - sinceMs >= LEASE_TTL_MS) return otherwise;
    return isFirst ? 'unknown' : 'alive';
  }

  async #read(name: string): Promise<Standing | undefined> {
    const stored = await readPatiently(this.#store, name, { signal: this.#options.signal });
    const document = stored && parseLease(stored);
    return stored && document && { name, document, generation: stored.generation };
  }
}

interface Standing {
  readonly name: string;
  readonly document: LeaseDocument;
  readonly generation: string;
}
