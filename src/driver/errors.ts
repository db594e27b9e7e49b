/**
 * The errors that a caller of an actor sees: Ray's family, with causes and fields instead of text to be parsed.
 *
 * JavaScript has one parent per class, Ray's errors have two (`RayTaskError` is also the user's own class). So being one
 * of the family is a brand that `instanceof RayError` and `instanceof RayTaskError` look for, and a task's error has the
 * user's class as its prototype: `error instanceof UserError && error instanceof RayTaskError` holds.
 *
 * Not here: `SkeinError`, which is how Skein itself fails.
 */
import { errorFromWire } from '../kernel/errors.ts';
import type { ActorDeath, DeathReason } from './runtime.ts';

const RAY = Symbol.for('skein.rayError');
const TASK = Symbol.for('skein.rayTaskError');

const has = (value: unknown, brand: symbol): boolean => typeof value === 'object' && value !== null && brand in value;

/** The root of the family. */
export class RayError extends Error {
  declare readonly [RAY]: true;
  override name = 'RayError';

  static override [Symbol.hasInstance](value: unknown): boolean {
    return isOf(this, value) || (this === RayError && has(value, RAY));
  }
}
Object.defineProperty(RayError.prototype, RAY, { value: true });

function isOf(constructor: { prototype: object }, value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && Object.prototype.isPrototypeOf.call(constructor.prototype, value)
  );
}

/** A bad value of an option or argument (Python's ValueError). */
export class ValueError extends Error {
  override name = 'ValueError';
}

/** Where a task's error happened. */
export interface TaskErrorFields {
  /** `Counter.add`. */
  readonly functionName: string;
  readonly actorId: string;
  readonly pid: number;
  /** The stack in the actor's thread. */
  readonly remoteStack: string | undefined;
}

/** User code threw, or an argument of the call had failed. `cause` is the original; its class is a parent of this error. */
export class RayTaskError extends RayError implements TaskErrorFields {
  declare readonly functionName: string;
  declare readonly actorId: string;
  declare readonly pid: number;
  declare readonly remoteStack: string | undefined;

  static override [Symbol.hasInstance](value: unknown): boolean {
    return has(value, TASK);
  }
}

/** An actor cannot answer: for good (`ActorDiedError`) or for now (`ActorUnavailableError`). */
export class RayActorError extends RayError {
  override name = 'RayActorError';
  readonly actorId: string;

  constructor(actorId: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.actorId = actorId;
  }
}

/** The actor is dead and will not come back. */
export class ActorDiedError extends RayActorError {
  override name = 'ActorDiedError';
  readonly reason: DeathReason;
  /** Of its thread, where it ended by itself. */
  readonly exitCode: number | undefined;
  /** The last lines that it printed, oldest first. */
  readonly lastLines: readonly string[];

  constructor(actorId: string, className: string, death: ActorDeath) {
    const cause = death.error && errorFromWire(death.error);
    super(actorId, `actor ${className} (${actorId}) died: ${describeDeath(death)}`, cause);
    this.reason = death.reason;
    this.exitCode = death.exitCode;
    this.lastLines = death.lastLines;
  }
}

/** The actor is being restarted. The call may have run, wholly or in part, or not at all. */
export class ActorUnavailableError extends RayActorError {
  override name = 'ActorUnavailableError';
}

/** No node can hold the actor. */
export class ActorUnschedulableError extends RayActorError {
  override name = 'ActorUnschedulableError';
}

/** More calls of one submitter are pending than the actor's `maxPendingCalls`. Thrown when the call is made. */
export class PendingCallsLimitExceeded extends RayError {
  override name = 'PendingCallsLimitExceeded';
}

/** The name is taken in its namespace. */
export class ActorAlreadyExistsError extends ValueError {
  declare readonly [RAY]: true;
  override name = 'ActorAlreadyExistsError';
}
Object.defineProperty(ActorAlreadyExistsError.prototype, RAY, { value: true });

/** The handle is of an actor that this runtime does not know. */
export class ActorHandleNotFoundError extends ValueError {
  declare readonly [RAY]: true;
  override name = 'ActorHandleNotFoundError';
}
Object.defineProperty(ActorHandleNotFoundError.prototype, RAY, { value: true });

/** `get` ended by its timeout. */
export class GetTimeoutError extends RayError {
  override name = 'GetTimeoutError';
}

/** The call was cancelled. */
export class TaskCancelledError extends RayError {
  override name = 'TaskCancelledError';
}

/** The value behind a reference is gone. */
export class ObjectLostError extends RayError {
  override name = 'ObjectLostError';
}

/** … because the process that owned it ended. */
export class OwnerDiedError extends ObjectLostError {
  override name = 'OwnerDiedError';
}

/** … because it was released. */
export class ObjectFreedError extends ObjectLostError {
  override name = 'ObjectFreedError';
}

/** A node died with what was on it. */
export class NodeDiedError extends RayError {
  override name = 'NodeDiedError';
}

/** A user's error that could not be rebuilt: its text is kept. */
export class UnserializableException extends RayError {
  override name = 'UnserializableException';
}

/** The runtime itself failed, or is not there. */
export class RaySystemError extends RayError {
  override name = 'RaySystemError';
}

/** The environment that an actor asked for could not be made. */
export class RuntimeEnvSetupError extends RayError {
  override name = 'RuntimeEnvSetupError';
}

/** One line: reason, exit code, what it threw, what it printed last. */
export function describeDeath({ reason, exitCode, error, lastLines }: ActorDeath): string {
  const parts = [DEATHS[reason]];
  if (exitCode !== undefined && reason === 'CRASH' && error === undefined) parts.push(`exit code ${exitCode}`);
  if (error) parts.push(error.message);
  const last = lastLines.at(-1);
  if (last !== undefined && error === undefined && reason !== 'KILLED') parts.push(`last line printed: ${last}`);
  return `${reason}: ${parts.join('; ')}`;
}

const DEATHS: Record<DeathReason, string> = {
  CTOR_ERROR: 'its constructor failed',
  KILLED: 'it was killed',
  EXITED: 'it was asked to end',
  CRASH: 'its thread ended by itself',
  OOM: 'its heap was full',
  UNRESPONSIVE: 'it stopped answering its daemon',
  OWNER_DIED: 'its owner has died',
  NODE_DIED: 'its node has gone',
  LOAD_FAILED: 'it could not be loaded',
  UNSCHEDULABLE: 'no node can hold it',
};
