/**
 * `skein resubmit`, as far as the bucket is concerned: which ids have no good row, as which attempt they run again, and the
 * two writes that make it so (L-11, L-12, P-50).
 *
 * An id is run again when the row that speaks for it is absent, cannot be read or has an error: the latest attempt
 * speaks, also over an earlier success (`canonical-row.ts`). The attempt is one number for all of them: one above the
 * highest that the run has seen.
 *
 * Invariants: R1 nothing is written unless something is to be run, and nobody else works on the run: its lease is held
 * while it is decided. R2 the record of the attempt is written first: from then on older rows of its ids count for nobody.
 * R3 then the status forgets how the run ended, before anything starts; a death in between leaves ids without a row,
 * which `resume` and the next `resubmit` see alike.
 */
import { randomUUID } from 'node:crypto';

import { SkeinError } from '../kernel/errors.ts';
import { VERSION } from '../kernel/version.ts';
import type { PersistOptions } from '../store/create-or-confirm.ts';
import type { ObjectStore } from '../store/port.ts';
import { createAttemptRecord, readAttemptRecords, type AttemptRecord } from './attempt-record.ts';
import { describeHolder } from './lease.ts';
import { databaseOf, type Manifest } from './manifest.ts';
import { readEnds, type IdEnd } from './run-counts.ts';
import { acquireRunLease } from './run-lease.ts';
import { makeStatus, readStoredStatus, setStatus } from './status.ts';

/** Why an id is run again. */
export type Lack = 'no_row' | 'unreadable' | 'error';

export interface ResubmitPlan {
  /** In (database, id) order (L-15); empty: every id has a good row. */
  readonly ids: readonly string[];
  readonly attempt: number;
  readonly found: Readonly<Record<Lack, number>>;
  /** Ids that keep the row that they have. */
  readonly kept: number;
}

export interface ResubmitOptions extends PersistOptions {
  readonly store: ObjectStore;
  readonly manifest: Manifest;
  /** Why, in a person's words; stands in the record of the attempt. */
  readonly reason: string;
  /** `user@host`. */
  readonly by: string;
}

/** What a resubmit at this moment would run. Reads every row. @throws SkeinError the store's */
export async function planResubmit(
  store: ObjectStore,
  manifest: Manifest,
  options: PersistOptions = {},
): Promise<ResubmitPlan> {
  const runId = manifest.run_id;
  const ids: string[] = [];
  const found = { no_row: 0, unreadable: 0, error: 0 };
  let kept = 0;
  const take = (end: IdEnd): void => {
    const lack = lackOf(end);
    if (lack === undefined) return void (kept += 1);
    ids.push(end.instanceId);
    found[lack] += 1;
  };
  const [{ highestAttempt }, { highest }, { status }] = await Promise.all([
    readEnds(store, manifest, take, options),
    readAttemptRecords(store, runId, options),
    readStoredStatus(store, runId, options),
  ]);
  // What was lost without a row had a number, too.
  const flying = (status?.in_flight ?? []).map(({ attempt }) => attempt);
  const attempt = Math.max(1, highestAttempt, highest, ...flying) + 1;
  const key = (id: string): string => `${databaseOf(manifest, id)}\0${id}`;
  return { ids: ids.sort((a, b) => (key(a) < key(b) ? -1 : 1)), attempt, found, kept };
}

/**
 * Decides once more, with the run's lease in hand, and writes it down. Whoever starts the run afterwards runs exactly these
 * ids as exactly this attempt.
 * @returns undefined if every id has a good row by now: nothing was written
 * @throws SkeinError PREFLIGHT (somebody works on the run) | the store's
 */
export async function beginResubmit(options: ResubmitOptions): Promise<AttemptRecord | undefined> {
  const { store, manifest, reason, by, signal } = options;
  const runId = manifest.run_id;
  const owner = { headId: `command-${randomUUID()}`, bootId: randomUUID(), kind: 'embedded' } as const;
  const outcome = await acquireRunLease({ store, runId, owner, ...(signal && { signal }) });
  if (outcome.kind === 'refused') throw held(runId, describeHolder(outcome.by));
  const { lease } = outcome;
  try {
    const plan = await planResubmit(store, manifest, options);
    if (plan.ids.length === 0) return undefined;
    const stored = await readStoredStatus(store, runId, options);
    const record: AttemptRecord = {
      attempt: plan.attempt,
      reason,
      ids: [...plan.ids],
      found: { ...plan.found },
      by,
      at_ms: Date.now(),
      skein_version: VERSION,
    };
    await createAttemptRecord(store, runId, record, options);
    const { status } = stored;
    const total = plan.ids.length + plan.kept;
    const reset = makeStatus({
      ...status,
      terminal_state: null,
      last_heartbeat_ts: null,
      attempt: plan.attempt,
      error: null,
      stopped: false,
      rows_done: plan.kept,
      rows_ok: plan.kept,
      rows_error: 0,
      rows_total: total,
      in_flight: [],
      retrying: [],
      databases: [],
      // A run that had ended is at no node; of any other a node may still bring what it began.
      nodes: status && status.terminal_state === null && !status.stopped ? status.nodes : [],
    });
    const written = await setStatus(store, runId, reset, stored.generation, options);
    if (written.kind === 'conflict') throw held(runId, 'somebody else');
    return record;
  } finally {
    await lease.release();
  }
}

function lackOf({ state, row }: IdEnd): Lack | undefined {
  if (state.kind === 'done') return state.isError ? 'error' : undefined;
  if (row.kind === 'missing') return 'no_row';
  return row.kind === 'unreadable' ? 'unreadable' : 'error';
}

function held(runId: string, by: string): SkeinError {
  return new SkeinError('PREFLIGHT', `run ${runId}: ${by} works on it; wait for it with: skein wait ${runId}`, {
    fields: { run: runId },
  });
}
