/**
 * The runs of this head: being adopted, active, ended. A run that ended leaves its last progress and nothing else.
 *
 * Invariants: T1 one adoption per run at a time; a run that is active is left as it is. T2 what nodes say of a run while
 * it is being adopted is kept and told to it afterwards, so that no end is lost between reading the rows and being there.
 */
import type { WatchRunResponse } from '../gen/skein/v1/run.ts';
import { SkeinError } from '../kernel/errors.ts';
import type { ActiveRun } from './active-run.ts';
import type { Event, NodeSession } from './node-session.ts';

/** Ended runs whose last progress is kept for who asks. */
const REMEMBERED = 200;
/** Events kept of one run that is being adopted. */
const MOST_EARLY = 200_000;

/** Something that a node said of a run. */
export interface NodeWord {
  readonly node: string;
  /** In which session: a run that an earlier life had open is not open in the next one. */
  readonly session: NodeSession;
  readonly event: Event;
}

export class RunTable {
  readonly #adopting = new Map<string, Promise<ActiveRun>>();
  readonly #active = new Map<string, ActiveRun>();
  readonly #ended = new Map<string, WatchRunResponse>();
  readonly #early = new Map<string, NodeWord[]>();

  active(): ActiveRun[] {
    return [...this.#active.values()];
  }

  get(runId: string): ActiveRun | undefined {
    return this.#active.get(runId);
  }

  /** The last word of a run that ended here. */
  endOf(runId: string): WatchRunResponse | undefined {
    return this.#ended.get(runId);
  }

  ended(): ReadonlyMap<string, WatchRunResponse> {
    return this.#ended;
  }

  isKnown(runId: string): boolean {
    return this.#active.has(runId) || this.#adopting.has(runId);
  }

  /** The run, once it is here. @throws SkeinError NOT_FOUND, or why it could not be adopted */
  async known(runId: string): Promise<ActiveRun> {
    const run = this.#active.get(runId) ?? (await this.#adopting.get(runId));
    if (run) return run;
    throw new SkeinError('NOT_FOUND', `run ${runId}: this head does not know it`, { fields: { run: runId } });
  }

  /** The run, adopted by `adopt` unless it is here; `enter` is called in the tick in which it becomes active. */
  adopt(
    runId: string,
    adopt: () => Promise<ActiveRun>,
    enter: (run: ActiveRun, early: readonly NodeWord[]) => void,
  ): Promise<ActiveRun> {
    const active = this.#active.get(runId);
    if (active) return Promise.resolve(active);
    const known = this.#adopting.get(runId);
    if (known) return known;
    const adopting = adopt()
      .then((run) => {
        this.#active.set(runId, run);
        this.#ended.delete(runId);
        enter(run, this.#early.get(runId) ?? []);
        return run;
      })
      .finally(() => {
        this.#adopting.delete(runId);
        this.#early.delete(runId);
      });
    this.#adopting.set(runId, adopting);
    return adopting;
  }

  /** Keeps what a node says of a run that may be about to be here. */
  keepEarly(runId: string, word: NodeWord): void {
    const words = this.#early.get(runId);
    if (!words) this.#early.set(runId, [word]);
    else if (words.length < MOST_EARLY) words.push(word);
  }

  /** What was kept of runs that nobody adopts is dropped. */
  dropEarly(): void {
    for (const runId of this.#early.keys()) if (!this.#adopting.has(runId)) this.#early.delete(runId);
  }

  /** The run is over; `last` is what it came to. */
  remember(run: ActiveRun, last: WatchRunResponse): void {
    if (this.#active.get(run.runId) === run) this.#active.delete(run.runId);
    this.#ended.delete(run.runId);
    this.#ended.set(run.runId, last);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= REMEMBERED) break;
      this.#ended.delete(oldest);
    }
  }

  /** Settles when no adoption is under way any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#adopting.values());
  }
}
