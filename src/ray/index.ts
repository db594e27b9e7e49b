/**
 * Skein's actors for people who know Ray: `init`, `remote`, `get`, `put`, `wait`, `kill`, `cancel`, `getActor`.
 *
 * ```ts
 * // counter.ts
 * export class Counter {
 *   #value = 0;
 *   add(by: number) { return (this.#value += by); }
 * }
 * export const CounterActor = ray.remote(Counter, { module: import.meta.url });
 *
 * // main.ts
 * await ray.init();
 * const counter = CounterActor.remote();
 * console.log(await ray.get(counter.add.remote(2)));
 * await ray.shutdown();
 * ```
 *
 * User modules import this in actor threads too, so it stays light: the runtime comes by a lazy import in `init`.
 */
export { currentActor, currentCall, type CurrentActor, type CurrentCall } from '../actor/context.ts';
export {
  ActorAlreadyExistsError,
  ActorDiedError,
  ActorHandleNotFoundError,
  ActorUnavailableError,
  ActorUnschedulableError,
  GetTimeoutError,
  NodeDiedError,
  ObjectFreedError,
  ObjectLostError,
  OwnerDiedError,
  PendingCallsLimitExceeded,
  RayActorError,
  RayError,
  RaySystemError,
  RayTaskError,
  RuntimeEnvSetupError,
  TaskCancelledError,
  UnserializableException,
  ValueError,
} from '../driver/errors.ts';
export { ObjectRef } from '../driver/object-ref.ts';
export type { ActorName } from '../driver/registry.ts';
export type { ActorDeath, DeathReason } from '../driver/runtime.ts';
export { remote, type ActorClass, type ActorFactory, type RemoteOptions } from './actor-class.ts';
export type { ActorHandle, Argument, HandleMembers, RemoteCall, RemoteMethod } from './actor-handle.ts';
export { cancel, exitActor, getActor, getRuntimeContext, kill, listNamedActors, sameActor } from './actors.ts';
export type { RuntimeContext } from './actors.ts';
export { get, put, wait, type GetOptions, type Values, type WaitOptions, type WaitResult } from './objects.ts';
export type { ActorClassOptions, MethodOptions } from './options.ts';
export { init, isInitialized, shutdown, type InitOptions, type RayContext } from './session.ts';
