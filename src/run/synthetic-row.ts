/**
 * Rows that no framework wrote (W-05 … W-09), as daemon and head write them alike. Every key above `usage` of §3A is there
 * on every row, so that collation never special-cases.
 *
 * Not here: where a row is put and what stands there already (the node's shipper, the head's losses).
 */

/** What a row says of an attempt on which nothing was submitted. */
export interface BlankRowFacts {
  readonly instanceId: string;
  readonly database: string;
  /** As the dataset has it; empty where only the ids are known. */
  readonly userQuery: string;
  /** Null where it is not to be shown, as on rows of attempts that never ran (W-09). */
  readonly groundTruthSql: string | null;
  /** Seconds since the epoch. */
  readonly startedAt: number;
}

/** The one `error` of an attempt whose actor or node ended under it (W-05); the cause stands in `synthetic`. */
export const ACTOR_LOST = 'actor-lost';

/** Why no framework wrote a row: the first word of the end, and what is known about it. */
export interface SyntheticMark {
  readonly reason: string;
  readonly cause: string;
  /** Seconds since the epoch: when the store last had what the attempt had written; null: at no time. Absent: it left nothing. */
  readonly last_snapshot_at?: number | null;
  /**
   * How many of the attempt's last seconds the store may lack at most, when the row was written. What its node still has
   * follows: an actor's death costs nothing that was on the disk.
   */
  readonly lost_s?: number;
}

/** What snapshots say of an attempt that was lost. */
export interface SnapshotFacts {
  /** Milliseconds since the epoch, as all here; undefined: there is no snapshot. */
  readonly lastMs: number | undefined;
  readonly startedMs: number;
  /** When it ended, or was last known to be able to write. */
  readonly endedMs: number;
}

/** The part of a mark that says what a loss cost (P-06). */
export function lossOf({
  lastMs,
  startedMs,
  endedMs,
}: SnapshotFacts): Pick<SyntheticMark, 'last_snapshot_at' | 'lost_s'> {
  const sinceMs = Math.max(lastMs ?? startedMs, startedMs);
  return {
    last_snapshot_at: lastMs === undefined ? null : lastMs / 1000,
    lost_s: Math.max(0, Math.round(endedMs - sinceMs)) / 1000,
  };
}

/** A row with W-09's defaults. */
export function blankRowOf({ instanceId, database, userQuery, groundTruthSql, startedAt }: BlankRowFacts) {
  return {
    task_id: instanceId,
    instance_id: instanceId,
    database,
    phase1_passed: false,
    phase2_passed: false,
    total_reward: 0,
    submitted_sql: null,
    submitted_query: null,
    ground_truth_sql: groundTruthSql,
    error: null,
    submission_status: 'never_submitted' as const,
    phase1_observation: null,
    phase2_observation: null,
    predicted_result_json: null,
    gold_result_json: null,
    n_agent_turns: 0,
    duration_s: 0,
    started_at: startedAt,
    user_query: userQuery,
  };
}

/** What the head knows of an attempt that it gives a row. */
export interface VerdictFacts {
  readonly instanceId: string;
  readonly database: string;
  readonly attempt: number;
  /** In a person's words: `node n1: silent for 300 s`, or what the nodes said. */
  readonly cause: string;
  /** Of an attempt that had started. */
  readonly snapshots?: SnapshotFacts | undefined;
}

/**
 * The row of an attempt that was lost with its node. It carries `synthetic`, by which a real row of the same id wins over
 * it (DESIGN rule 2). The same facts give the same bytes for `nowMs`.
 */
export function lostRow({ instanceId, database, attempt, cause, snapshots }: VerdictFacts, nowMs = Date.now()) {
  const startedAt = nowMs / 1000;
  const synthetic: SyntheticMark = { reason: ACTOR_LOST, cause, ...(snapshots && lossOf(snapshots)) };
  const blank = blankRowOf({ instanceId, database, userQuery: '', groundTruthSql: null, startedAt });
  return { ...blank, error: ACTOR_LOST, attempt, synthetic };
}

/** The `reason` of an attempt that could not be given to any actor (W-07). */
export const DISPATCH_FAILURE = 'dispatch-failure';

/** The row of an attempt that was never started, since no node can work on its database. */
export function undispatchedRow({ instanceId, database, attempt, cause }: VerdictFacts, nowMs = Date.now()) {
  const startedAt = nowMs / 1000;
  const synthetic: SyntheticMark = { reason: DISPATCH_FAILURE, cause };
  const blank = blankRowOf({ instanceId, database, userQuery: '', groundTruthSql: null, startedAt });
  const error = `${DISPATCH_FAILURE}: no node can work on database ${database}: ${cause}`;
  return { ...blank, error, attempt, synthetic };
}

/** Whether `row` stands for an attempt that was lost with its actor or node, and may therefore be started again. */
export function isLostRow(row: Readonly<Record<string, unknown>>): boolean {
  const synthetic = row['synthetic'];
  if (synthetic === null || typeof synthetic !== 'object') return false;
  return (synthetic as { reason?: unknown }).reason === ACTOR_LOST;
}
