/**
 * References that are whole in the store and that the head has to hear of. Who encodes what depends on it: a head that
 * missed the word would have the database encoded once more.
 *
 * Not here: when a reference is ready (`upload-back.ts`), where the word lasts over this life (`spool.ts`).
 *
 * Invariants: N1 the spool owes a word until a head has acknowledged it. N2 a head that does not know this node hears
 * again of every reference of the runs that are here: what an earlier one had acknowledged it may not have written down.
 */
import type { ReferenceReady } from '../gen/skein/v1/node.ts';

interface News {
  readonly word: ReferenceReady;
  /** The spool need not keep it any more. */
  readonly settle: () => void;
  isAcknowledged: boolean;
  /** Its run is not here (any more): the word goes once it is acknowledged. */
  isOver: boolean;
}

export class ReferenceNews {
  readonly #send: (word: ReferenceReady) => void;
  readonly #news = new Map<string, News>();

  /** @param send to the head, if there is one at the moment */
  constructor(send: (word: ReferenceReady) => void) {
    this.#send = send;
  }

  /**
   * Tells the head, now and to every new one.
   * @param settle called once, when a head has acknowledged it
   * @param isOver whether its run is not here: for what an earlier life left
   */
  tell(word: ReferenceReady, settle: () => void, isOver = false): void {
    const known = this.#news.get(keyOf(word));
    if (known && !known.isAcknowledged) known.settle();
    this.#news.set(keyOf(word), { word, settle, isAcknowledged: false, isOver });
    this.#send(word);
  }

  /** A head that knows nothing of this node is there. */
  tellAgain(): void {
    for (const { word } of this.#news.values()) this.#send(word);
  }

  acknowledged(word: ReferenceReady): void {
    const news = this.#news.get(keyOf(word));
    if (!news || news.word.shard !== word.shard) return;
    if (!news.isAcknowledged) news.settle();
    news.isAcknowledged = true;
    if (news.isOver) this.#news.delete(keyOf(word));
  }

  /** The run is closed here. */
  forget(runId: string): void {
    for (const [key, news] of this.#news) {
      if (news.word.runId !== runId) continue;
      if (news.isAcknowledged) this.#news.delete(key);
      else news.isOver = true;
    }
  }
}

const keyOf = ({ runId, database, grantEpoch }: ReferenceReady): string => `${runId} ${database} ${grantEpoch}`;
