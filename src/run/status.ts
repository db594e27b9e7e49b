/**
 * `runs/<id>/status.json`: a run's heartbeat (L-17, V-01). The head alone writes it; everybody may read it, and a status
 * that is missing or unreadable reads as "none yet". Only `done` and `error` are ever terminal in here: what a waiter
 * concludes (`stalled` …) stays with the waiter (L-05).
 */
import { z } from 'zod';

import { isSkeinError } from '../kernel/errors.ts';
import { jsonBytes, parseJson } from '../kernel/json.ts';
import { overwrite, readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import { statusName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';

const count = z.number().default(0);

const statusSchema = z.looseObject({
  ray_job_id: z.string().nullable().default(null),
  /** Seconds since the epoch; null = no beat of this attempt yet (L-12). */
  last_heartbeat_ts: z.number().nullable().default(null),
  /** Ids that have a row, error rows included. */
  rows_done: count,
  rows_total: count,
  terminal_state: z.enum(['done', 'error']).nullable().default(null),
  attempt: z.number().default(1),
  /** Started and not ended, the oldest first (V-01). */
  in_flight: z.array(z.looseObject({ instance_id: z.string(), elapsed_s: z.number() })).default([]),
  rows_ok: count,
  rows_error: count,
  actors: z.looseObject({ live: count, pending: count }).prefault({}),
  databases: z
    .array(z.looseObject({ database: z.string(), total: count, done: count, errors: count, in_flight: count }))
    .default([]),
  /** Uploads of helpers that failed (they never fail a task), by kind (P-33). */
  helper_failures: z.record(z.string(), z.number()).default({}),
  /** Why the run ended as `error`. */
  error: z.string().nullable().default(null),
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

/** The run's status, undefined if there is none yet or it cannot be read. */
export async function readStatus(
  store: ObjectStore,
  runId: string,
  options: PersistOptions = {},
): Promise<RunStatus | undefined> {
  const object = statusName(runId);
  const stored = await readPatiently(store, object, options);
  if (!stored) return undefined;
  try {
    return statusSchema.safeParse(parseJson(object, stored.bytes)).data;
  } catch (error) {
    if (isSkeinError(error, 'CORRUPT')) return undefined;
    throw error;
  }
}

/** Writes the run's status, whatever stands there: the caller is its only writer. */
export async function writeStatus(
  store: ObjectStore,
  runId: string,
  status: RunStatus,
  options: PersistOptions = {},
): Promise<void> {
  await overwrite(store, statusName(runId), jsonBytes(status, 2), options);
}
