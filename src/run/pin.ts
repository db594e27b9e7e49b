/**
 * Pinned runs: they outlive the rule by which a bucket clears runs away after 30 days (B-05, P-40). The rule knows no
 * exception but an object that is held, so a pin is a hold on each object of the run, and a word in its index. A store in a
 * folder clears nothing away: there the pin is that word alone.
 *
 * A held object can be neither deleted nor replaced. So what is still written over and over is never held: the status, the
 * lease, a partial transcript (whose content the task's bundle has in the end). Of a run that goes on, only what is
 * final by its name is held at once; the rest follows with the next fetch or pin after its end.
 *
 * Invariants: P1 a run is called pinned only once every object that is to be held is. P2 pinning again holds what came
 * since, and unpinning lets go of everything; each may be interrupted and done again.
 */
import pLimit from 'p-limit';

import { callPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import {
  attemptsPrefix,
  manifestName,
  parseRowName,
  runIndexName,
  runLeaseName,
  runPrefix,
  statusName,
} from '../store/layout.ts';
import type { ObjectInfo, ObjectStore } from '../store/port.ts';
import { listAll } from '../store/prefix.ts';
import type { Manifest } from './manifest.ts';
import { readIndex, setPin, type Pin } from './run-index.ts';
import { readStatus } from './status.ts';

const HOLDS_AT_ONCE = 32;

export interface PinOutcome {
  /** How it was before: null = not pinned. */
  readonly before: Pin | null;
  /** Objects held by the bucket now, of those of the run; 0 where the store holds nothing. */
  readonly held: number;
  /** Objects of the run that are not held. */
  readonly free: number;
  /** Whether the store clears runs away at all. */
  readonly isHolding: boolean;
}

/** Pins the run, or holds what came since it was pinned. @throws SkeinError the store's */
export async function pinRun(
  store: ObjectStore,
  manifest: Manifest,
  pin: Pin,
  options: PersistOptions = {},
): Promise<PinOutcome> {
  const held = await hold(store, manifest.run_id, true, options);
  const before = await setPin(store, manifest, pin);
  if (!store.setHold) return { before, held: 0, free: 0, isHolding: false };
  // Last: from here on the index cannot be changed any more.
  await setHold(store, runIndexName(manifest.run_id), true, options);
  return { before, held: held.held + 1, free: held.free, isHolding: true };
}

/** Lets the run go. @throws SkeinError the store's */
export async function unpinRun(
  store: ObjectStore,
  manifest: Manifest,
  options: PersistOptions = {},
): Promise<PinOutcome> {
  if (store.setHold) await setHold(store, runIndexName(manifest.run_id), false, options);
  const before = await setPin(store, manifest, null);
  const { held, free } = await hold(store, manifest.run_id, false, options);
  return { before, held, free, isHolding: store.setHold !== undefined };
}

/** Holds what a pinned run brought since; nothing for any other. @throws SkeinError the store's */
export async function keepPinned(store: ObjectStore, runId: string, options: PersistOptions = {}): Promise<void> {
  if (!store.setHold) return;
  if ((await readIndex(store, runId, options))?.pinned) await hold(store, runId, true, options);
}

/** Sets or takes the hold of every object but the index and what is written over. */
async function hold(
  store: ObjectStore,
  runId: string,
  isHeld: boolean,
  options: PersistOptions,
): Promise<{ held: number; free: number }> {
  if (!store.setHold) return { held: 0, free: 0 };
  const isOver = !isHeld || isEnded(await readStatus(store, runId, options));
  const limit = pLimit(HOLDS_AT_ONCE);
  const pending: Promise<unknown>[] = [];
  let [held, free] = [0, 0];
  for await (const info of listAll(store, runPrefix(runId), options)) {
    const { name } = info;
    const wanted = isHeld && name !== runIndexName(runId) && isKept(runId, name, isOver);
    if (wanted) held += 1;
    else if (name !== runIndexName(runId)) free += 1;
    if (name === runIndexName(runId) || wanted === isHeldNow(info) || (isHeld && !wanted)) continue;
    pending.push(limit(() => setHold(store, name, wanted, options)));
  }
  await Promise.all(pending);
  return { held, free };
}

const isHeldNow = ({ isHeld }: ObjectInfo): boolean => isHeld === true;

function isEnded(status: Awaited<ReturnType<typeof readStatus>>): boolean {
  // A run without a status has nobody who writes it.
  return status === undefined || status.terminal_state !== null || status.stopped;
}

/** Whether the object is never written again: whatever it is once the run is over, else what its name says is final. */
function isKept(runId: string, name: string, isOver: boolean): boolean {
  if (name === statusName(runId) || name === runLeaseName(runId) || name.endsWith('/partial_transcript.jsonl')) {
    return false;
  }
  if (isOver || name === manifestName(runId) || name.startsWith(attemptsPrefix(runId))) return true;
  return parseRowName(name) !== undefined;
}

async function setHold(store: ObjectStore, name: string, isHeld: boolean, options: PersistOptions): Promise<void> {
  await callPatiently(`${isHeld ? 'holding' : 'letting go of'} ${name}`, options, async (signal) =>
    store.setHold?.(name, isHeld, { signal }),
  );
}
