/** What one does with actors and calls that exist: find, kill, cancel; and what an actor knows of itself. */
import { threadId } from 'node:worker_threads';

import { actorHolder, currentActor, isInActor } from '../actor/context.ts';
import { ActorHandleNotFoundError, ValueError } from '../driver/errors.ts';
import { ObjectRef } from '../driver/object-ref.ts';
import type { ActorName } from '../driver/registry.ts';
import { actorOf, type ActorHandle } from './actor-handle.ts';
import { currentSession, isInitialized } from './session.ts';

/**
 * The actor of that name.
 * @throws ValueError when there is none
 */
export async function getActor<T>(name: string, options: { namespace?: string } = {}): Promise<ActorHandle<T>> {
  if (typeof name !== 'string') throw new TypeError('getActor: a name is needed');
  if (name === '') throw new ValueError('getActor: the empty string is no name');
  const session = currentSession('getActor');
  return session.registry.get({ name, namespace: options.namespace ?? session.namespace }) as ActorHandle<T>;
}

/** Names of this session's namespace, or `{ name, namespace }` of all. */
export function listNamedActors(options: { allNamespaces: true }): ActorName[];
export function listNamedActors(options?: { allNamespaces?: false }): string[];
export function listNamedActors({ allNamespaces = false } = {}): (string | ActorName)[] {
  const { registry, namespace } = currentSession('listNamedActors');
  return allNamespaces ? registry.list() : registry.list(namespace).map(({ name }) => name);
}

/**
 * Ends an actor at once: calls that run, wait or come later fail with ActorDiedError, and its name is free.
 * @param options.noRestart false: it comes back, if it has a restart left
 * @throws TypeError for what is no handle; ActorHandleNotFoundError for one of an earlier session
 */
export function kill(handle: unknown, options: { noRestart?: boolean } = {}): void {
  const actor = actorOf(handle, 'kill');
  const session = currentSession('kill');
  if (actor.state !== 'DEAD' && !session.actors.has(actor)) {
    throw new ActorHandleNotFoundError(`kill: actor ${actor.actorId} belongs to an earlier session`);
  }
  const { noRestart = true } = options;
  if (noRestart) session.registry.release(handle as object);
  actor.kill({ noRestart });
}

/**
 * Cancels a call: its reference ends in TaskCancelledError. A queued call does not run; a running one is told by
 * `currentCall().signal` and goes on. Nothing happens to a call that has ended.
 * @throws ValueError for `force`: kill the actor instead
 */
export function cancel(ref: unknown, options: { force?: boolean; recursive?: boolean } = {}): void {
  if (!(ref instanceof ObjectRef)) throw new TypeError('cancel: a reference is needed');
  if (options.force) throw new ValueError('cancel: force is not possible for calls of actors; kill the actor instead');
  if (ref.state === 'pending') ref.source.cancelCall?.(ref.number);
}

/** Whether two handles are of one actor. */
export function sameActor(a: unknown, b: unknown): boolean {
  return actorOf(a, 'sameActor') === actorOf(b, 'sameActor');
}

/**
 * Ends the actor that this code runs in, when the call that it serves has unwound. It does not come back.
 * @throws TypeError outside an actor
 */
export function exitActor(): never {
  return currentActor().exit();
}

export interface RuntimeContext {
  /** Of the actor, if this is one's thread. */
  readonly actorId: string | undefined;
  readonly namespace: string | undefined;
  readonly pid: number;
  readonly threadId: number;
  /** Whether this actor came back after a death. */
  readonly wasCurrentActorReconstructed: boolean;
  /** Whether the call that is being served was cancelled. Ask before the first `await`. */
  isCanceled(): boolean;
}

export function getRuntimeContext(): RuntimeContext {
  const actor = isInActor() ? currentActor() : undefined;
  const { call } = actorHolder();
  return {
    actorId: actor?.actorId,
    namespace: isInitialized() ? currentSession('getRuntimeContext').namespace : undefined,
    pid: process.pid,
    threadId,
    wasCurrentActorReconstructed: (actor?.restarts ?? 0) > 0,
    isCanceled: () => call?.isCanceled ?? false,
  };
}
