/**
 * Typed handles: an actor's public methods as `handle.method.remote(…)`.
 *
 * A handle has one own property per method, so a call costs a plain property read. Behind them, as prototype, stands a
 * proxy that throws for any other name at access.
 */
import { shapeOf, type AnyClass, type ClassShape } from '../kernel/class-shape.ts';
import type { ActorHandle as DriverHandle, CallOptions } from '../driver/handle.ts';
import type { ObjectRef } from '../driver/object-ref.ts';
import { checkMethodOptions, finite, type MethodOptions } from './options.ts';

/** An argument: the value, or a reference to it, which is resolved before the method runs. */
export type Argument<T> = T | ObjectRef<T>;
export type Arguments<A extends readonly unknown[]> = { [K in keyof A]: Argument<A[K]> };

type AnyMethod = (...args: never[]) => unknown;

export interface RemoteCall<M extends AnyMethod> {
  /** Submits the call and returns at once. */
  remote(...args: Arguments<Parameters<M>>): ObjectRef<Awaited<ReturnType<M>>>;
}

export interface RemoteMethod<M extends AnyMethod> extends RemoteCall<M> {
  /** The method with options for single calls. */
  options(options: MethodOptions): RemoteCall<M>;
}

/** What every handle has beside its methods. */
export interface HandleMembers extends Disposable, AsyncDisposable {
  readonly $actorId: string;
  /** Where the actor prints to. */
  readonly $logPath: string | undefined;
  /** True as soon as the constructor has run. */
  $ready(): ObjectRef<true>;
  /** Ends the actor after the calls made before; the reference fails with ActorDiedError. */
  $terminate(): ObjectRef<never>;
}

export type ActorHandle<T> = {
  readonly [K in keyof T as T[K] extends AnyMethod ? K : never]: T[K] extends AnyMethod ? RemoteMethod<T[K]> : never;
} & HandleMembers;

/** The actor behind each handle. */
const actors = new WeakMap<object, DriverHandle>();

/** @throws TypeError when `handle` is none */
export function actorOf(handle: unknown, what: string): DriverHandle {
  const actor = typeof handle === 'object' && handle !== null ? actors.get(handle) : undefined;
  if (actor === undefined) throw new TypeError(`${what}: an actor handle is needed`);
  return actor;
}

/** Names that engines and tools read from any object: not methods, not mistakes. */
const PROBED = new Set([
  'then',
  'toJSON',
  'constructor',
  'valueOf',
  'toString',
  'nodeType',
  'tagName',
  'asymmetricMatch',
]);

const shapes = new WeakMap<AnyClass, ClassShape>();

export function classShape(actorClass: AnyClass): ClassShape {
  let shape = shapes.get(actorClass);
  if (shape === undefined) shapes.set(actorClass, (shape = shapeOf(actorClass)));
  return shape;
}

export function makeHandle<T>(actor: DriverHandle, shape: ClassShape): ActorHandle<T> {
  const { className } = actor;
  const unknown = new Proxy(Object.create(null) as object, {
    get(_target, name) {
      if (typeof name === 'symbol' || PROBED.has(name)) return undefined;
      throw new TypeError(`${className} has no method ${name}; it has ${shape.methods.join(', ')}`);
    },
    has: () => false,
  });
  const handle = Object.create(unknown) as Record<string | symbol, unknown>;
  for (const method of shape.methods) {
    handle[method] = remoteMethod(actor, method, shape.generators.includes(method));
  }
  const members: Record<string | symbol, unknown> = {
    $ready: () => actor.ready(),
    $terminate: () => actor.terminate(),
    // Ray's own spellings.
    __ray_ready__: { remote: () => actor.ready() },
    __ray_terminate__: { remote: () => actor.terminate() },
    [Symbol.dispose]: () => void actor.terminate(),
    [Symbol.asyncDispose]: async () => {
      actor.terminate();
      await actor.died;
    },
  };
  for (const name of Reflect.ownKeys(members)) Object.defineProperty(handle, name, { value: members[name] });
  Object.defineProperties(handle, {
    $actorId: { value: actor.actorId, enumerable: true },
    $logPath: { get: () => actor.logPath },
    [Symbol.for('nodejs.util.inspect.custom')]: { value: () => `Actor(${className}, ${actor.actorId})` },
  });
  actors.set(handle, actor);
  return handle as unknown as ActorHandle<T>;
}

function remoteMethod(actor: DriverHandle, method: string, isGenerator: boolean): unknown {
  const name = `${actor.className}.${method}`;
  const direct = (): never => {
    throw new TypeError(`${name} cannot be called directly: use .${method}.remote(…)`);
  };
  const caller = (options?: CallOptions) =>
    isGenerator
      ? (): never => {
          throw new TypeError(`${name} is a generator: streaming calls are not offered yet`);
        }
      : (...args: unknown[]): ObjectRef => actor.call(method, args, options);
  return Object.assign(direct, {
    remote: caller(),
    options(options: MethodOptions) {
      checkMethodOptions(options);
      const { maxTaskRetries, retryExceptions } = options;
      const retries = finite(maxTaskRetries);
      return {
        remote: caller({
          ...(retries !== undefined && { maxTaskRetries: retries }),
          ...(retryExceptions !== undefined && { retryExceptions }),
        }),
      };
    },
  });
}
