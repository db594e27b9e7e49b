/**
 * The port between callers of actors and whatever hosts them: in this process, the node's actor host. A caller (the
 * public API, or a run's executor) sees only this.
 */
import type { WireError } from '../kernel/errors.ts';
import type { ClassLocation } from '../actor/messages.ts';

/** Why an actor ended. The first word of every death's text, and what a restart policy looks at. */
export type DeathReason =
  /** Its constructor threw, or an argument of it failed. */
  | 'CTOR_ERROR'
  /** By `kill`. */
  | 'KILLED'
  /** It was asked to end: `terminate`, `exitActor()`. Never restarted. */
  | 'EXITED'
  /** It ended by itself: `process.exit`, a throw that no call answers for. */
  | 'CRASH'
  /** Its heap was full. */
  | 'OOM'
  /** Its loop stood still for `unresponsiveMs`. */
  | 'UNRESPONSIVE'
  | 'OWNER_DIED'
  | 'NODE_DIED'
  /** Its module, export or thread could not be loaded. */
  | 'LOAD_FAILED'
  /** The node holds as many actors as it may. */
  | 'UNSCHEDULABLE';

/** An actor's death certificate. */
export interface ActorDeath {
  readonly reason: DeathReason;
  /** Of the thread, where it ended by itself. */
  readonly exitCode?: number;
  /** What it threw, or why it could not start. */
  readonly error?: WireError;
  /** The last lines that it printed, oldest first, at most 20. */
  readonly lastLines: readonly string[];
}

/** What a caller asks for when it makes an actor instance. */
export interface InstanceRequest {
  readonly actorId: string;
  readonly className: string;
  readonly location: ClassLocation;
  readonly args: readonly unknown[];
  readonly maxConcurrency?: number;
  /** A class whose `async` was compiled away says so. */
  readonly isAsync?: boolean;
  /** Where everything that it prints goes, appended; absent: a file of its own in the runtime's log folder. */
  readonly logPath?: string;
  /** Printing waits while that file is longer: whoever asks for it cuts it back. Absent: it never waits. */
  readonly logPauseBytes?: number;
  readonly restarts: number;
  /** Environment of the thread; absent: a copy of the daemon's without its secrets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Beside it, for this actor alone. */
  readonly extraEnv?: Readonly<Record<string, string>>;
  /** Beside it too; the values are masked in all that the actor prints. */
  readonly secretEnv?: Readonly<Record<string, string>>;
  readonly maxHeapMb?: number;
  /** Kill the thread when it has not beaten for so long; 0 = never. Default 60,000. */
  readonly unresponsiveMs?: number;
  /** What the actor may ask its daemon for, by service name (`locks.acquire` …). */
  readonly services?: Readonly<Record<string, ActorService>>;
}

/** Answers an actor's ask. `death` aborts when the asking actor has ended. */
export type ActorService = (payload: unknown, death: AbortSignal) => Promise<unknown>;

export interface InstanceEvents {
  ready(methods: readonly string[], isAsync: boolean): void;
  started(callId: number): void;
  done(callId: number, value: unknown): void;
  failed(callId: number, error: WireError): void;
  cancelled(callId: number): void;
  /**
   * At most once, before `ended`: it is being killed and answers nothing any more. The thread may live on for as long as
   * native code holds it, so nobody may take its place (lock, name, restart) before `ended`.
   */
  doomed(death: ActorDeath): void;
  /** Exactly once, last, and after the thread really is gone. */
  ended(death: ActorDeath): void;
}

/** One running instance of an actor: one thread. */
export interface ActorInstance {
  readonly logPath: string;
  /** Queues a call; frames leave in one batch a tick. */
  call(callId: number, method: string, args: readonly unknown[]): void;
  cancel(callId: number): void;
  /** Ends after the calls that were sent before (`__ray_terminate__`). */
  terminate(): void;
  /** Ends at once; `events.ended` with KILLED follows when the thread is gone. */
  kill(): void;
}

export interface ActorRuntime {
  start(request: InstanceRequest, events: InstanceEvents): ActorInstance;
}
