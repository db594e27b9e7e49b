/**
 * One run at the head, from its adoption to its end.
 *
 *     running ──drain──▶ draining ──┐
 *        │ every id ended           │ nothing out
 *        └───────────▶ closing ◀────┘        (nodes ship what they still hold)
 *                         │ all nodes closed
 *                         ▼
 *                      ending ──the end is durable──▶ ended
 *
 * Invariants: R1 `done` is said only when every id has a row, and after the nodes have shipped (W-08). R2 nothing is
 * dispatched outside `running`. R3 the end is settled once.
 */
import type { TaskEnded } from '../gen/skein/v1/node.ts';
import { Outcome } from '../gen/skein/v1/node.ts';
import { describeError } from '../kernel/errors.ts';
import type { RunLedger, LedgerTask } from './run-ledger.ts';

export type RunEnd =
  /** Every id has a row. */
  | { readonly kind: 'done' }
  /** Drained, or some rows could not be stored. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly error: string };

export type RunPhase =
  | { readonly kind: 'running' }
  | { readonly kind: 'draining' }
  | { readonly kind: 'closing'; readonly end: RunEnd; readonly nodes: Set<string> }
  | { readonly kind: 'ending'; readonly end: RunEnd }
  | { readonly kind: 'ended'; readonly end: RunEnd };

/** What a run tells the nodes that work on it. */
export interface RunNodes {
  drain(node: string, runId: string, graceMs: number): void;
  close(node: string, runId: string): void;
}

/** Keeps the run's end where it lasts. */
export interface RunRecord {
  /** Makes the end durable; the run counts as ended only after it has settled. */
  end(end: RunEnd): Promise<void>;
  /** This head lets go of the run, which may go on elsewhere. */
  stop(): void;
}

export class ActiveRun {
  readonly runId: string;
  readonly attempt: number;
  readonly ledger: RunLedger;
  readonly ended: Promise<RunEnd>;
  readonly #nodes: RunNodes;
  readonly #record: RunRecord;
  readonly #settle: (end: RunEnd) => void;
  readonly #listeners = new Set<() => void>();
  /** Nodes that have opened this run. */
  readonly #open = new Set<string>();
  readonly #helperFailures = new Map<string, number>();
  #phase: RunPhase = { kind: 'running' };

  constructor(runId: string, attempt: number, ledger: RunLedger, nodes: RunNodes, record: RunRecord) {
    this.runId = runId;
    this.attempt = attempt;
    this.ledger = ledger;
    this.#nodes = nodes;
    this.#record = record;
    const { promise, resolve } = Promise.withResolvers<RunEnd>();
    this.ended = promise;
    this.#settle = resolve;
  }

  get phase(): RunPhase {
    return this.#phase;
  }

  get helperFailures(): ReadonlyMap<string, number> {
    return this.#helperFailures;
  }

  isOpenAt(node: string): boolean {
    return this.#open.has(node);
  }

  /** Calls back after every change; gives the way to stop that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  nodeOpened(node: string): void {
    this.#open.add(node);
    this.#changed();
  }

  /** Tasks for `node`, none outside `running`. */
  take(database: string, count: number, node: string): LedgerTask[] {
    return this.#phase.kind === 'running' ? this.ledger.take(database, count, node) : [];
  }

  taskStarted(instanceId: string, nowMs: number): void {
    this.ledger.started(instanceId, nowMs);
    this.#changed();
  }

  /** What a node says of a task that it was handed. */
  taskEnded({ instanceId, outcome }: TaskEnded): void {
    switch (outcome) {
      case Outcome.OK:
        this.ledger.hasRow(instanceId, false);
        break;
      case Outcome.ERROR:
      case Outcome.LOST:
        this.ledger.hasRow(instanceId, true);
        break;
      case Outcome.RETURNED:
        this.ledger.returned(instanceId);
        break;
      case Outcome.UNSTORED:
      case Outcome.UNSPECIFIED:
      case Outcome.UNRECOGNIZED:
        this.ledger.unstored(instanceId);
        break;
    }
    this.#changed();
  }

  nodeClosed(node: string, failures: Readonly<Record<string, number>>): void {
    for (const [kind, count] of Object.entries(failures)) {
      this.#helperFailures.set(kind, (this.#helperFailures.get(kind) ?? 0) + count);
    }
    this.#open.delete(node);
    if (this.#phase.kind === 'closing') this.#phase.nodes.delete(node);
    this.#changed();
  }

  /** Forgets the run without an end: whoever adopts it next goes on from the store. */
  abandon(): void {
    this.#record.stop();
  }

  nodeGone(node: string): void {
    this.ledger.nodeLost(node);
    this.nodeClosed(node, {});
  }

  drain(graceMs: number): void {
    if (this.#phase.kind !== 'running') return;
    this.#phase = { kind: 'draining' };
    for (const node of this.#open) this.#nodes.drain(node, this.runId, graceMs);
    this.#changed();
  }

  fail(error: string): void {
    if (this.#phase.kind === 'running' || this.#phase.kind === 'draining') this.#close({ kind: 'failed', error });
    this.#changed();
  }

  /** Goes on to the next phase if its time has come: also for a run that was adopted with nothing left to do. */
  advance(): void {
    const { ledger } = this;
    switch (this.#phase.kind) {
      case 'running':
        if (!ledger.isNothingOut || !ledger.isNothingWaiting) return;
        return this.#close(ledger.tally().unstored > 0 ? { kind: 'stopped' } : { kind: 'done' });
      case 'draining':
        if (ledger.isNothingOut) this.#close({ kind: 'stopped' });
        return;
      case 'closing':
        if (this.#phase.nodes.size === 0) this.#end(this.#phase.end);
        return;
      case 'ending':
      case 'ended':
        return;
    }
  }

  #close(end: RunEnd): void {
    this.#phase = { kind: 'closing', end, nodes: new Set(this.#open) };
    for (const node of this.#open) this.#nodes.close(node, this.runId);
    this.advance();
  }

  #end(end: RunEnd): void {
    this.#phase = { kind: 'ending', end };
    const settle = (reached: RunEnd): void => {
      this.#phase = { kind: 'ended', end: reached };
      this.#settle(reached);
      this.#changed();
    };
    void this.#record.end(end).then(
      () => settle(end),
      (error: unknown) => settle({ kind: 'failed', error: describeError(error) }),
    );
  }

  #changed(): void {
    this.advance();
    for (const listener of this.#listeners) listener();
  }
}
