/**
 * The secrets of one run at its head, and which of its nodes have them (W-13).
 *
 * Invariants: K1 a node that lacks any of them is handed nothing of the run. K2 a head that was started again has none, and asks
 * nobody as long as one of the run's nodes has them. K3 they are forgotten with the run, and masked until then.
 */
import { knowSecrets } from '../kernel/mask.ts';
import { Secrets } from '../kernel/secrets.ts';

export class RunKeys implements Disposable {
  readonly #names: readonly string[];
  /** Nodes that have the run open with all of them. */
  readonly #nodes = new Set<string>();
  #secrets = Secrets.NONE;
  #masking: Disposable | undefined;

  /** @param names what the run's manifest names */
  constructor(names: readonly string[], secrets: Secrets) {
    this.#names = names;
    this.provide(secrets);
  }

  /** As far as this head knows them. */
  get secrets(): Secrets {
    return this.#secrets;
  }

  /** These are the run's from now on; nothing given changes nothing. */
  provide(secrets: Secrets): void {
    if (secrets.isEmpty) return;
    this.#masking?.[Symbol.dispose]();
    this.#masking = knowSecrets(secrets);
    this.#secrets = secrets;
  }

  /** `node` has opened the run. */
  opened(node: string, hasSecrets: boolean): void {
    if (hasSecrets) this.#nodes.add(node);
    else this.#nodes.delete(node);
  }

  /** `node` has the run open no more. */
  closed(node: string): void {
    this.#nodes.delete(node);
  }

  isEnoughAt(node: string): boolean {
    return this.#names.length === 0 || this.#nodes.has(node);
  }

  /** The names that neither this head nor any node of the run has; none as long as one node can go on. */
  get missing(): readonly string[] {
    return this.#nodes.size > 0 ? [] : this.#secrets.missing(this.#names);
  }

  [Symbol.dispose](): void {
    this.#secrets = Secrets.NONE;
    this.#masking?.[Symbol.dispose]();
    this.#masking = undefined;
  }
}
