/** What a caller may say when it makes an actor, and when it makes a call. */
import type { ClassLocation } from '../actor/messages.ts';
import type { RetryPolicy } from './pending-call.ts';
import type { ActorService } from './runtime.ts';
import type { ErrorClasses } from './task-error.ts';

export interface ActorOptions {
  /** For texts: `Counter`. */
  readonly className: string;
  readonly location: ClassLocation;
  /** Constructor arguments; references among them are resolved first. */
  readonly args?: readonly unknown[];
  /** Calls at a time; default 1 for a serial class, 1000 for an async one. */
  readonly maxConcurrency?: number;
  /** What the class is, when the caller knows: otherwise the thread says so when it is ready. */
  readonly isAsync?: boolean;
  /** How often it is started again after an unexpected death; -1 = for ever. Default 0. */
  readonly maxRestarts?: number;
  /** Default of calls; 0. */
  readonly maxTaskRetries?: number;
  /** Default of calls; false. */
  readonly retryExceptions?: RetryPolicy['retryExceptions'];
  /** Pending calls at a time; one more throws PendingCallsLimitExceeded. -1 or 0 = no limit. Default -1. */
  readonly maxPendingCalls?: number;
  /** Environment of the thread; absent: the daemon's without its secrets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Beside it, for this actor alone. */
  readonly extraEnv?: Readonly<Record<string, string>>;
  /** Beside it too; the values are masked in all that the actor prints. */
  readonly secretEnv?: Readonly<Record<string, string>>;
  /** Limit of the JavaScript heap; absent: Node's. */
  readonly maxHeapMb?: number;
  /** Kill it when its loop stood still for so long; 0 = never. Default 60,000. */
  readonly unresponsiveMs?: number;
  /** What the actor may ask its daemon for. */
  readonly services?: Readonly<Record<string, ActorService>>;
  /** Where it prints to; absent: a file of its own in the runtime's log folder. */
  readonly logPath?: string;
  /** Printing waits while that file is longer: whoever asks for it cuts it back. Absent: it never waits. */
  readonly logPauseBytes?: number;
  /** The user's error classes by name, as far as they are known by now: thrown errors get their class from it. */
  readonly errorClasses?: () => ErrorClasses;
}

/** What a single call may set for itself. */
export type CallOptions = Partial<RetryPolicy>;
