/**
 * Whether a node can take work, and why not: its link, its spool, its store, its leaving. Everybody who knows of a trouble says so
 * here; the head is told when it changes.
 */
import type { NodeHealth } from '../gen/skein/v1/node.ts';
import type { Spool } from './spool.ts';

/** Who may have a trouble. The first one that has speaks for the node. */
export type TroubleSource = 'leaving' | 'link' | 'spool' | 'store';
const SOURCES: readonly TroubleSource[] = ['leaving', 'link', 'spool', 'store'];

/** Sizes are told this often at most. */
const TELL_EVERY_MS = 5_000;
/** A change of memory below this share is no news. */
const NEWS_SHARE = 0.2;

export class Health implements Disposable {
  readonly #spool: Spool | undefined;
  readonly #tell: (health: NodeHealth) => void;
  readonly #onTrouble: (trouble: string) => void;
  readonly #troubles = new Map<TroubleSource, string>();
  readonly #timer: NodeJS.Timeout;
  #told: NodeHealth | undefined;

  /** @param onTrouble told when the node may not take work, and with `''` when it may again */
  constructor(spool: Spool | undefined, tell: (health: NodeHealth) => void, onTrouble: (trouble: string) => void) {
    this.#spool = spool;
    this.#tell = tell;
    this.#onTrouble = onTrouble;
    this.#timer = setInterval(() => this.#tellIfNews(), TELL_EVERY_MS).unref();
  }

  /** Empty: work can be taken. */
  get trouble(): string {
    for (const source of SOURCES) {
      const text = this.#troubles.get(source);
      if (text !== undefined) return text;
    }
    return '';
  }

  set(source: TroubleSource, text: string | undefined): void {
    const before = this.trouble;
    if (text === undefined) this.#troubles.delete(source);
    else this.#troubles.set(source, text);
    if (this.trouble === before) return;
    this.tellNow();
    this.#onTrouble(this.trouble);
  }

  /** Tells the head how things are, news or not: at the begin of a session. */
  tellNow(): void {
    this.#told = this.#now();
    this.#tell(this.#told);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #now(): NodeHealth {
    return {
      trouble: this.trouble,
      spoolBytes: this.#spool?.bytes ?? 0,
      spoolRows: this.#spool?.rows ?? 0,
      rssBytes: process.memoryUsage.rss(),
    };
  }

  #tellIfNews(): void {
    const now = this.#now();
    const told = this.#told;
    const isNews =
      told === undefined ||
      now.spoolRows !== told.spoolRows ||
      now.spoolBytes !== told.spoolBytes ||
      Math.abs(now.rssBytes - told.rssBytes) > NEWS_SHARE * told.rssBytes;
    if (!isNews) return;
    this.#told = now;
    this.#tell(now);
  }
}
