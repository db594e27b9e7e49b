/**
 * What the run's executor hands to a task actor for one attempt, and what comes back. Both are plain data: they cross a
 * MessagePort by structured clone.
 *
 * Not here: how the outcome is stored (the daemon ships it, so shipping survives the actor's death).
 */
import type { Task } from '../dataset/task.ts';
import type { TaskRow } from './framework.ts';

/** One attempt at one task. All paths are absolute and belong to the actor's node. */
export interface TaskAssignment {
  readonly task: Task;
  /** 1, 2, 3 …; (task, attempt) names exactly one row for ever. */
  readonly attempt: number;
  readonly runId: string;
  /** Private to this attempt; made by the actor when its framework needs it, shipped as the debug bundle by the daemon (U-01). */
  readonly scratchDir: string;
  /** The dataset's own SQLite file of the task's database. Never opened as it stands: it may be a WAL file on a read-only disk. */
  readonly databasePath: string;
  /** The root of the dataset: `<dir>/<db>/<db>.sqlite`, `mini_interact.jsonl`. */
  readonly datasetDir: string;
  /** Root of the stage-1 caches. */
  readonly cacheRoot: string;
  /** Root of the stage-2 references, and of their locks. */
  readonly referenceRoot: string;
  /** Where a reference build leaves the encoder's sessions, `<root>/<db>/` (U-02). */
  readonly setupSessionsRoot: string;
  /** How the task comes by its reference. */
  readonly reference: ReferenceSource;
}

export type ReferenceSource =
  /** It is built here if it is not there. `epoch`: of the head's grant, 0 where nobody grants. */
  | { readonly kind: 'build'; readonly epoch: number }
  /** It was built elsewhere and stands there: it is taken as it is, and nothing is ever built. */
  | { readonly kind: 'given' };

/** A reference that the attempt built, to be shipped as a shard (U-03). */
export interface BuiltReference {
  readonly database: string;
  readonly dir: string;
  readonly fingerprint: string;
}

/** What an attempt came to. A framework that threw is a row too (W-04); only a dead actor gives no outcome. */
export interface TaskOutcome {
  readonly row: TaskRow;
  readonly builtReferences: readonly BuiltReference[];
  /** Milliseconds by phase (`reference`, `sql.open`, `framework` …): what the task's log shows as `[timing]` (V-24). */
  readonly timingsMs: Readonly<Record<string, number>>;
  /** The actor has no framework: the next task gets another actor, on a new thread. Default false. */
  readonly isActorSpent?: boolean;
}
