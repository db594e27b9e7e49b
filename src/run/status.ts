/**
 * `runs/<id>/status.json`: a run's heartbeat (L-17, V-01), and what the next head must know that no row tells: which
 * attempts were started, and where. The head alone writes it; everybody may read it, and a status that is missing or
 * unreadable reads as "none yet". Only `done` and `error` are ever terminal in here: what a waiter concludes (`stalled` …)
 * stays with the waiter (L-05).
 */
import { z } from 'zod';

import { isSkeinError } from '../kernel/errors.ts';
import { jsonBytes, parseJson } from '../kernel/json.ts';
import { compareAndSet, type SetOutcome } from '../store/compare-and-set.ts';
import { overwrite, readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import { statusName } from '../store/layout.ts';
import type { ObjectStore, StoredObject } from '../store/port.ts';

const count = z.number().default(0);

const statusSchema = z.looseObject({
  ray_job_id: z.string().nullable().default(null),
  /** Seconds since the epoch; null = no beat of this attempt yet (L-12). */
  last_heartbeat_ts: z.number().nullable().default(null),
  /** Ids that have a row, error rows included; not those whose lost attempt is started again. */
  rows_done: count,
  rows_total: count,
  terminal_state: z.enum(['done', 'error']).nullable().default(null),
  attempt: z.number().default(1),
  /** Started and not ended, the oldest first (V-01). */
  in_flight: z
    .array(
      z.looseObject({
        instance_id: z.string(),
        elapsed_s: z.number(),
        attempt: z.number().default(1),
        node: z.string().default(''),
      }),
    )
    .default([]),
  /** The nodes that are not lost, silent ones too: any of them may hold some of the run. */
  nodes: z
    .array(
      z.looseObject({
        node: z.string(),
        data_dir_id: z.string().default(''),
        boot_id: z.string().default(''),
        tasks_out: count,
      }),
    )
    .default([]),
  /** Ids whose lost attempt is started again: the row that they have does not count. At most 10,000 are named. */
  retrying: z.array(z.string()).default([]),
  /** Attempts that were lost and started again. */
  retried: count,
  /** Real rows that found a synthetic one in their place, and second real ones. */
  late_rows: count,
  duplicate_rows: count,
  /** The life of the head that wrote this: no two write the same bytes. */
  head_boot_id: z.string().default(''),
  /** Its head let go of it in good order, before every id had a row. */
  stopped: z.boolean().default(false),
  rows_ok: count,
  rows_error: count,
  actors: z.looseObject({ live: count, pending: count }).prefault({}),
  databases: z
    .array(z.looseObject({ database: z.string(), total: count, done: count, errors: count, in_flight: count }))
    .default([]),
  /** Uploads of helpers that failed (they never fail a task), by kind (P-33). */
  helper_failures: z.record(z.string(), z.number()).default({}),
  /** Why the run ended as `error`, or was stopped where nobody asked for it. */
  error: z.string().nullable().default(null),
  /** When it is stopped at the latest, since the epoch (`--max-runtime-hours`); null = never. A head that takes it over keeps to it. */
  deadline_ms: z.number().nullable().default(null),
  /** What nothing of the run is started without, and how to give it; empty: nothing. */
  waiting_for: z.string().default(''),
});

export type RunStatus = z.infer<typeof statusSchema>;
export type RunStatusInput = z.input<typeof statusSchema>;

/** A status of a run or attempt that just begins: no beat, no end. */
export function freshStatus(total: number, attempt: number): RunStatus {
  return statusSchema.parse({ rows_total: total, attempt });
}

/** `input` with its defaults filled in. */
export function makeStatus(input: RunStatusInput): RunStatus {
  const status = statusSchema.parse(input);
  return { ...status, in_flight: status.in_flight.toSorted((a, b) => b.elapsed_s - a.elapsed_s) };
}

/** A status as it was read: the next write of its one writer is a replace at `generation`. */
export interface StoredStatus {
  /** Undefined if there is none, or it cannot be read. */
  readonly status: RunStatus | undefined;
  /** Undefined if nothing stands there. */
  readonly generation: string | undefined;
}

/** The run's status, undefined if there is none yet or it cannot be read. */
export async function readStatus(
  store: ObjectStore,
  runId: string,
  options: PersistOptions = {},
): Promise<RunStatus | undefined> {
  return (await readStoredStatus(store, runId, options)).status;
}

/** The run's status with its generation, for whoever is to write the next one. */
export async function readStoredStatus(
  store: ObjectStore,
  runId: string,
  options: PersistOptions = {},
): Promise<StoredStatus> {
  const stored = await readPatiently(store, statusName(runId), options);
  return { status: stored && parseStatus(stored), generation: stored?.generation };
}

/** What `stored` says; undefined for what is no status. */
export function parseStatus({ name, bytes }: StoredObject): RunStatus | undefined {
  try {
    return statusSchema.safeParse(parseJson(name, bytes)).data;
  } catch (error) {
    if (isSkeinError(error, 'CORRUPT')) return undefined;
    throw error;
  }
}

/**
 * Writes the run's status if what stands there is as `expected` says: a conflict means that somebody else works on the
 * run, so the caller must stop.
 */
export function setStatus(
  store: ObjectStore,
  runId: string,
  status: RunStatus,
  expected: string | undefined,
  options: PersistOptions = {},
): Promise<SetOutcome> {
  return compareAndSet(store, statusName(runId), jsonBytes(status, 2), expected, options);
}

/** Writes the run's status, whatever stands there: for whoever has no head to ask (tests, a submit before its head). */
export async function writeStatus(
  store: ObjectStore,
  runId: string,
  status: RunStatus,
  options: PersistOptions = {},
): Promise<void> {
  await overwrite(store, statusName(runId), jsonBytes(status, 2), options);
}
