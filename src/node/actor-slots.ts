/**
 * How many task actors a node may have, shared between the runs that it works on. A run that wants one when all are taken
 * gets it from the run that has the most.
 *
 * Invariants: A1 never more slots are out than there are. A2 a run gives a slot up between two tasks, never during one,
 * and not before it has had it for a moment: starting an actor is not free.
 */

/** A right to one live actor. */
export interface ActorSlot {
  readonly sinceMs: number;
}

interface Claim {
  readonly run: string;
  readonly resolve: (slot: ActorSlot | undefined) => void;
}

/** How long a run keeps a slot at least. */
const TENURE_MS = 1_000;

export class ActorSlots {
  readonly #count: number;
  readonly #held = new Map<string, number>();
  #claims: Claim[] = [];
  readonly #wanted = new Set<() => void>();

  constructor(count: number) {
    this.#count = count;
  }

  /** Calls back when a run begins to wait for a slot; gives the way to stop that. */
  onWanted(listener: () => void): () => void {
    this.#wanted.add(listener);
    return () => this.#wanted.delete(listener);
  }

  /** Waits for a slot; undefined when the run was withdrawn meanwhile. */
  take(run: string): Promise<ActorSlot | undefined> {
    if (this.#out < this.#count && this.#claims.length === 0) return Promise.resolve(this.#give(run));
    return new Promise((resolve) => {
      this.#claims.push({ run, resolve });
      for (const listener of this.#wanted) listener();
    });
  }

  release(run: string): void {
    this.#held.set(run, (this.#held.get(run) ?? 1) - 1);
    this.#serve();
  }

  /** Whether the run should give one of its slots up now: another run waits and has fewer. */
  shouldYield(run: string, slot: ActorSlot): boolean {
    if (this.#claims.length === 0) return false;
    const own = this.#held.get(run) ?? 0;
    const isPoorer = this.#claims.some((claim) => claim.run !== run && (this.#held.get(claim.run) ?? 0) < own);
    return isPoorer && performance.now() - slot.sinceMs >= TENURE_MS;
  }

  /** Whether an actor without work should go at once, so that another run can have its slot. */
  isWantedElsewhere(run: string): boolean {
    return this.#claims.some((claim) => claim.run !== run);
  }

  /** The run claims nothing any more; what it holds it still has to release. */
  withdraw(run: string): void {
    const [gone, left] = [
      this.#claims.filter((claim) => claim.run === run),
      this.#claims.filter((claim) => claim.run !== run),
    ];
    this.#claims = left;
    for (const { resolve } of gone) resolve(undefined);
    if ((this.#held.get(run) ?? 0) === 0) this.#held.delete(run);
  }

  get #out(): number {
    let out = 0;
    for (const count of this.#held.values()) out += count;
    return out;
  }

  #give(run: string): ActorSlot {
    this.#held.set(run, (this.#held.get(run) ?? 0) + 1);
    return { sinceMs: performance.now() };
  }

  /** The poorest run first, then who came first. */
  #serve(): void {
    while (this.#out < this.#count && this.#claims.length > 0) {
      const held = (claim: Claim): number => this.#held.get(claim.run) ?? 0;
      const next = this.#claims.reduce((best, claim) => (held(claim) < held(best) ? claim : best));
      this.#claims.splice(this.#claims.indexOf(next), 1);
      next.resolve(this.#give(next.run));
    }
  }
}
