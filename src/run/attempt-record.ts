/**
 * `runs/<id>/attempts/<n>.json`: why attempt `n` of a run exists and which ids it is for (P-50). A resubmit writes it before
 * anything else; attempt 1 is the submit's and has none.
 *
 * The record is also what makes older rows of those ids count no more: whoever takes the run on, in whatever life, reads
 * here from which attempt on an id's rows speak for it. Not here: what the rows then come to (`id-state.ts`).
 *
 * Invariants: A1 a record is created, never changed: two who resubmit at once get two numbers, or one is refused. A2 a
 * record that cannot be read counts as a number that is taken, and asks for nothing.
 */
import pLimit from 'p-limit';
import { z } from 'zod';

import { isSkeinError, SkeinError } from '../kernel/errors.ts';
import { jsonBytes, parseJson } from '../kernel/json.ts';
import { createOrConfirm, readPatiently, type PersistOptions } from '../store/create-or-confirm.ts';
import { attemptRecordName, attemptsPrefix, parseAttemptRecordName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { listAll } from '../store/prefix.ts';

const recordSchema = z.looseObject({
  attempt: z.number().int().min(2),
  /** In a person's words. */
  reason: z.string().default(''),
  /** The ids that are run again, in (database, id) order. */
  ids: z.array(z.string()),
  /** What each of them had: how many without a row, with one that cannot be read, with an error. */
  found: z.record(z.string(), z.number()).default({}),
  /** `user@host`. */
  by: z.string().default(''),
  at_ms: z.number().default(0),
  skein_version: z.string().default(''),
});

export type AttemptRecord = z.infer<typeof recordSchema>;

/** From which attempt on rows speak for an id: 1 for those that are not named. */
export type Floors = ReadonlyMap<string, number>;

export const NO_FLOORS: Floors = new Map();

export interface AttemptRecords {
  /** Those that can be read, ascending. */
  readonly records: readonly AttemptRecord[];
  /** The highest number that is taken, readable or not; 1 if there is none. */
  readonly highest: number;
  readonly floors: Floors;
}

const READS_AT_ONCE = 16;

/** What was resubmitted of the run. One listing, and one read for each resubmit. @throws SkeinError the store's */
export async function readAttemptRecords(
  store: ObjectStore,
  runId: string,
  options: PersistOptions = {},
): Promise<AttemptRecords> {
  const limit = pLimit(READS_AT_ONCE);
  const numbers: number[] = [];
  for await (const { name } of listAll(store, attemptsPrefix(runId), options)) {
    const parsed = parseAttemptRecordName(name);
    if (parsed) numbers.push(parsed.attempt);
  }
  numbers.sort((a, b) => a - b);
  const read = await Promise.all(numbers.map((attempt) => limit(() => readRecord(store, runId, attempt, options))));
  const records = read.filter((record) => record !== undefined);
  return { records, highest: numbers.at(-1) ?? 1, floors: floorsOf(records) };
}

/** From which attempt on the rows of each named id count. */
export async function readFloors(store: ObjectStore, runId: string, options: PersistOptions = {}): Promise<Floors> {
  return (await readAttemptRecords(store, runId, options)).floors;
}

/** The ids that attempts from `minAttempt` on are for, undefined if there is no such attempt yet. */
export function idsSince(records: readonly AttemptRecord[], minAttempt: number): string[] | undefined {
  const later = records.filter(({ attempt }) => attempt >= minAttempt);
  return later.length === 0 ? undefined : [...new Set(later.flatMap(({ ids }) => ids))];
}

/** @throws SkeinError PREFLIGHT if that attempt is somebody else's already; the store's */
export async function createAttemptRecord(
  store: ObjectStore,
  runId: string,
  record: AttemptRecord,
  options: PersistOptions = {},
): Promise<void> {
  const name = attemptRecordName(runId, record.attempt);
  const outcome = await createOrConfirm(store, name, jsonBytes(record, 2), options);
  if (outcome.kind !== 'conflict') return;
  const other = parseRecord(name, outcome.standing.bytes);
  const by = other ? ` by ${other.by || 'somebody'} at ${new Date(other.at_ms).toISOString()}` : '';
  throw new SkeinError(
    'PREFLIGHT',
    `run ${runId}: attempt ${record.attempt} was begun${by} just now; wait for it: skein wait ${runId}`,
    { fields: { run: runId } },
  );
}

function floorsOf(records: readonly AttemptRecord[]): Floors {
  return new Map(records.flatMap(({ attempt, ids }) => ids.map((id) => [id, attempt] as const)));
}

async function readRecord(
  store: ObjectStore,
  runId: string,
  attempt: number,
  options: PersistOptions,
): Promise<AttemptRecord | undefined> {
  const name = attemptRecordName(runId, attempt);
  const stored = await readPatiently(store, name, options);
  const record = stored && parseRecord(name, stored.bytes);
  return record?.attempt === attempt ? record : undefined;
}

function parseRecord(name: string, bytes: Uint8Array): AttemptRecord | undefined {
  try {
    return recordSchema.safeParse(parseJson(name, bytes)).data;
  } catch (error) {
    if (isSkeinError(error, 'CORRUPT')) return undefined;
    throw error;
  }
}
