/**
 * What a running task has printed so far, as the store has it: `logs/<iid>/attempt-<n>.partial.log`, until the log itself is
 * there. Who follows the task sees it, and it survives the node (P-06).
 *
 * Not here: when it is sent (`snapshots.ts`), what is left out of a long one (`log-slice.ts`).
 *
 * Invariants: L1 only whole lines are sent, without the secrets that this process knows. L2 a task that printed nothing new
 * since the last pass costs a stat. L3 nothing is sent once the task has ended. L4 it is taken away only when the whole log is
 * stored.
 */
import { maskedBytes } from '../kernel/mask.ts';
import { callPatiently, createOrConfirm, overwrite, type PersistOptions } from '../store/create-or-confirm.ts';
import { logName, partialLogName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import type { LogSlice } from './log-slice.ts';

const LINE_FEED = 10;

export interface PartialLogOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly instanceId: string;
  readonly attempt: number;
  readonly slice: Pick<LogSlice, 'peek' | 'printedBytes'>;
}

export class PartialLog {
  readonly #options: PartialLogOptions;
  /** What was printed when it was last sent. */
  #sentBytes = 0;
  /** Whether anything may stand in the store. */
  #isSent = false;
  #generation: string | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: PartialLogOptions) {
    this.#options = options;
  }

  /** Sends what there is, if there is more than the last time. @throws SkeinError the store's */
  pass(options: PersistOptions = {}): Promise<void> {
    return this.#inTurn(() => this.#pass(options));
  }

  /** The task has ended and its log is stored, or should be. @throws SkeinError the store's */
  finish(options: PersistOptions = {}): Promise<void> {
    return this.#inTurn(() => this.#finish(options));
  }

  /** A pass that was given up may still be writing: what takes it away comes after it. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #pass(options: PersistOptions): Promise<void> {
    const { store, runId, instanceId, attempt, slice } = this.#options;
    const printed = slice.printedBytes;
    if (printed === this.#sentBytes) return;
    const peeked = slice.peek();
    // A line that is still being written may hold a part of a secret, which nobody would know as one.
    const bytes = maskedBytes(peeked.subarray(0, peeked.lastIndexOf(LINE_FEED) + 1));
    if (bytes.byteLength === 0) return;
    const name = partialLogName(runId, instanceId, attempt);
    this.#isSent = true;
    this.#generation = await put(store, name, bytes, this.#generation, options);
    this.#sentBytes = printed;
  }

  async #finish(options: PersistOptions): Promise<void> {
    const { store, runId, instanceId, attempt } = this.#options;
    if (!this.#isSent) return;
    const whole = logName(runId, instanceId, attempt);
    if (!(await callPatiently(`looking at ${whole}`, options, (signal) => store.stat(whole, { signal })))) return;
    const name = partialLogName(runId, instanceId, attempt);
    const info = await callPatiently(`looking at ${name}`, options, (signal) => store.stat(name, { signal }));
    if (!info) return;
    await callPatiently(`removing ${name}`, options, (signal) => store.remove(name, info.generation, { signal }));
  }
}

async function put(
  store: ObjectStore,
  name: string,
  bytes: Uint8Array,
  known: string | undefined,
  options: PersistOptions,
): Promise<string> {
  if (known !== undefined) return await overwrite(store, name, bytes, { ...options, generation: known });
  const outcome = await createOrConfirm(store, name, bytes, options);
  if (outcome.kind !== 'conflict') return outcome.generation;
  return await overwrite(store, name, bytes, { ...options, generation: outcome.standing.generation });
}
