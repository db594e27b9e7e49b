/**
 * The waiting tasks of one database, in order: taken from the front, put back in front, one in the middle removed. An array
 * with a moving front, so that 100,000 tasks are not shifted at every batch.
 */
import type { LedgerTask } from './run-ledger.ts';

export class WaitingLine {
  #items: (LedgerTask | undefined)[] = [];
  #front = 0;

  get size(): number {
    return this.#items.length - this.#front;
  }

  add(task: LedgerTask): void {
    this.#items.push(task);
  }

  /** Next in line. */
  putBack(task: LedgerTask): void {
    if (this.#front === 0) {
      this.#items.unshift(task);
    } else {
      this.#front -= 1;
      this.#items[this.#front] = task;
    }
  }

  /** The first `count`, or as many as there are. */
  take(count: number): LedgerTask[] {
    const end = Math.min(this.#front + count, this.#items.length);
    const taken = this.#items.slice(this.#front, end) as LedgerTask[];
    // Nothing that was taken is held on to.
    this.#items.fill(undefined, this.#front, end);
    this.#front = end;
    if (this.#front === this.#items.length) {
      this.#items = [];
      this.#front = 0;
    }
    return taken;
  }

  remove(task: LedgerTask): void {
    const at = this.#items.indexOf(task, this.#front);
    if (at !== -1) this.#items.splice(at, 1);
  }
}
