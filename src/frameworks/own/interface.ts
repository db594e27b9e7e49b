/**
 * What the author of a framework programs against: `--framework ./mine.ts` runs the default export of that file for every
 * task. Everything here is exported from `skein/framework`.
 *
 * Not here: how Skein's own frameworks see a task (`../framework.ts`); these types stay when that changes.
 *
 * Invariants: O1 what a task keeps from an agent (gold SQL, tests, what is masked) is reached by one name only,
 * `withheld`. O2 a context belongs to one attempt; what is to last lies in the framework's own fields.
 */
import type { KbRow, Task } from '../../dataset/task.ts';
import type { Memory, Model, SetupResult } from '../../reference/model.ts';
import type { SqlSession, TaskRow } from '../framework.ts';

/**
 * A framework of one's own. One instance lives in an actor, on a thread of its own, and gets one task at a time; what it
 * keeps in its fields is there for the next task. The file's default export is its class, or a function that makes it;
 * both are given the run's settings.
 */
export interface OwnFramework {
  /** Called once, before the first task. One that throws gives that task an error row, and the next task a new actor. */
  setup?(context: SetupContext): Promise<void> | void;
  /**
   * Does one task. What it throws becomes the task's error row; the instance goes on with the next task.
   * @returns the SQL to score, or a whole row; nothing = nothing was submitted
   */
  runTask(task: AgentTask, context: AgentContext): Promise<Answer | TaskRow | void> | Answer | TaskRow | void;
  /** Called once, when the actor ends in good order; it gets 5 seconds. */
  close?(): Promise<void> | void;
}

/** How a file makes a framework: `export default class …`, or `export default (settings) => …`. */
export type OwnFrameworkExport =
  | (new (settings: AgentSettings) => OwnFramework)
  | ((settings: AgentSettings) => Promise<OwnFramework> | OwnFramework);

/** What was asked for at submit. */
export interface AgentSettings {
  /** As rows and results name it: the file's name without its ending. */
  readonly framework: string;
  readonly queryMode: 'raw' | 'slayer';
  readonly mode: 'a-interact' | 'c-interact' | 'oracle';
  /** Who encoded the reference. */
  readonly encoder: string;
  /** What one SQL may take, milliseconds. */
  readonly sqlTimeoutMs: number;
  /** `--agent-model`, empty if none was named. Its key is in `process.env` (`ANTHROPIC_API_KEY` …), as is what `--secret` names. */
  readonly agentModel: string;
  /** `--user-sim-model`, empty if none was named. */
  readonly userSimModel: string;
  /** `--patience`: clarifications beyond the ambiguities. */
  readonly patience: number;
  readonly strict: boolean;
  /** Whether audited gold SQL decides where there is some. */
  readonly useAuditedGoldSql: boolean;
  /** `--max-depth`, of a recursive agent. */
  readonly maxDepth: number;
  readonly promptCache: boolean;
  /** `--slayer-storage-root`, empty if none was named. */
  readonly slayerStorageRoot: string;
  /** `--framework-options`: a JSON object, stored in the run's manifest. Never for secrets. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** What a task shows an agent; all else of its row in the dataset is `withheld`. */
export type AgentTask = Pick<Task, 'instance_id' | 'selected_database' | 'amb_user_query' | 'category'>;

export interface SetupContext {
  readonly settings: AgentSettings;
  /** A line for the log of the task that runs; `console` and child processes are captured too. */
  readonly log: (line: string) => void;
}

export interface AgentContext extends SetupContext {
  readonly runId: string;
  /** 1, 2, 3 …; above 1 when the task is done again. */
  readonly attempt: number;
  /** A folder of this attempt alone, shipped to the store as its debug bundle, then removed. Made when it is first asked for. */
  readonly scratchDir: string;
  /** Aborts when the run is being stopped. */
  readonly signal: AbortSignal;
  /**
   * A private copy of the task's database, prepared as the task asks; SQL on it runs in a process that is killed at its
   * deadline. What is changed there is undone before the answer is scored.
   */
  readonly sql: () => Promise<SqlSession>;
  /**
   * The knowledge of the task's database, without what the task masks.
   * @throws SkeinError INVALID_INPUT under `--query-mode raw`, which has none
   */
  readonly store: () => Promise<KnowledgeStore>;
  /** Adds a message (any JSON value) to the attempt's transcript, which survives the actor's death. Never throws. */
  readonly transcript: (message: unknown) => void;
  /** What calls of models cost; summed up in the row, also of an attempt that fails. */
  readonly usage: UsageCounter;
  /** The whole task, for code that plays the user or checks itself. An agent that reads it cheats. */
  readonly withheld: Task;
}

/** One database's reference as a task may see it. What is handed out is shared between tasks: change copies only. */
export interface KnowledgeStore {
  readonly database: string;
  /** Of what the reference was built from. */
  readonly fingerprint: string;
  /** The knowledge base's items. */
  readonly kb: readonly KbRow[];
  /** What became of each item when it was encoded, and which columns, measures or models stand for it. */
  readonly results: readonly SetupResult[];
  /** SLayer's models by name: tables with their columns, encoded knowledge (`meta.kb_id`) and joins. */
  readonly models: ReadonlyMap<string, Model>;
  /** SLayer's memories: the knowledge base as texts. */
  readonly memories: readonly Memory[];
  /** A private copy on the disk, as SLayer opens it, its datasource on the task's database. Made at the first call. */
  directory(): Promise<string>;
}

/** What came of a task. Skein scores `sql`, and fills in all that a row has. */
export interface Answer {
  /** SQLite's SQL. None: nothing was submitted. */
  readonly sql?: string | null;
  /** How the semantic layer was asked, for the row's `submitted_query`; other values than texts are shown as JSON. */
  readonly query?: unknown;
  /** The attempt failed for this reason: an error row, which `resubmit` does again. */
  readonly error?: string | null;
  /** For the row's `n_agent_turns`. */
  readonly turns?: number;
  /** For the row's `trajectory`. */
  readonly trajectory?: readonly unknown[];
  /** Fields of one's own, JSON; names that a row has already are refused. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** What one call of a model used. All are counts of tokens but where the name says otherwise; absent = 0. */
export interface UsagePart {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly reasoning_tokens?: number;
  readonly cache_read_tokens?: number;
  readonly cache_write_tokens?: number;
  /** Default 1. */
  readonly n_calls?: number;
  readonly cost_usd?: number;
  /** Who spent it. Default `agent`. */
  readonly scope?: 'agent' | 'user_sim';
  readonly model?: string;
}

export interface UsageCounter {
  /** @throws TypeError for an amount that is no number from 0 on */
  add(part: UsagePart): void;
}
