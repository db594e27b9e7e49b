/**
 * `remote(Class, { module })`: a class whose instances live in threads of their own. A thread finds the class by import
 * (module and export name), never by closure.
 */
import { isClass, type AnyClass } from '../kernel/class-shape.ts';
import type { ClassLocation } from '../actor/messages.ts';
import { ValueError } from '../driver/errors.ts';
import { createActor } from '../driver/handle.ts';
import { errorClassesOf, type ErrorClass, type ErrorClasses } from '../driver/task-error.ts';
import { classShape, makeHandle, type ActorHandle, type Arguments } from './actor-handle.ts';
import { checkActorOptions, finite, type ActorClassOptions } from './options.ts';
import { currentSession } from './session.ts';

export interface RemoteOptions extends ActorClassOptions {
  /** `import.meta.url` of the module that exports the class (or a package name). */
  module: string;
  /** Under which name. Default: the name of the class. */
  exportName?: string;
  /** Error classes that its methods throw and that its module does not export itself: so that they arrive as such. */
  errors?: readonly ErrorClass[];
}

export interface ActorFactory<C extends AnyClass> {
  /** Makes an actor and returns its handle at once; the constructor runs in the actor's thread. */
  remote(...args: Arguments<ConstructorParameters<C>>): ActorHandle<InstanceType<C>>;
}

export interface ActorClass<C extends AnyClass> extends ActorFactory<C> {
  /** The class with other options. Does not chain. */
  options(options: ActorClassOptions): ActorFactory<C>;
}

/** By this key a thread finds the class in an exported actor class. */
const WRAPPED = Symbol.for('skein.actorClass');

/** @throws TypeError when `actorClass` is no class; ValueError for a bad option or a class that no thread could import */
export function remote<C extends AnyClass>(actorClass: C, options: RemoteOptions): ActorClass<C> {
  if (!isClass(actorClass)) throw new TypeError('remote: a class is needed (remote functions are not offered)');
  const { module, exportName = actorClass.name, errors = [], ...defaults } = options;
  const name = actorClass.name || exportName;
  if (typeof module !== 'string' || module === '' || /^(?:data|node|blob|https?):/.test(module)) {
    throw new ValueError(
      `remote: module: a thread finds ${name || 'the class'} by import: pass { module: import.meta.url } of the module that exports it`,
    );
  }
  if (exportName === '')
    throw new ValueError('remote: exportName: the class has no name: say under which its module exports it');
  checkActorOptions(defaults);
  const source: ClassSource = { actorClass, className: name, location: { module, exportName }, errors };
  const direct = function (): never {
    throw new TypeError(`${name} is an actor class: it is not constructed directly but by .remote(…)`);
  };
  const made = factory<C>(source, defaults);
  return Object.assign(direct, {
    [WRAPPED]: actorClass,
    remote: (...args: Arguments<ConstructorParameters<C>>) => made.remote(...args),
    options(more: ActorClassOptions) {
      checkActorOptions({ ...defaults, ...more });
      return factory<C>(source, { ...defaults, ...more });
    },
  });
}

/** A class, and all that is known of where it comes from. */
interface ClassSource {
  readonly actorClass: AnyClass;
  readonly className: string;
  readonly location: ClassLocation;
  readonly errors: readonly ErrorClass[];
}

function factory<C extends AnyClass>(source: ClassSource, options: ActorClassOptions): ActorFactory<C> {
  const { actorClass, className, location } = source;
  const shape = classShape(actorClass);
  const isAsync = options.asyncActor ?? shape.isAsync;
  if (!isAsync && (options.maxConcurrency ?? 1) > 1) {
    throw new ValueError(
      `maxConcurrency: ${className} has no async method, so its calls cannot overlap in one thread; make methods async, or say asyncActor: true if their async was compiled away`,
    );
  }
  return {
    remote(...args) {
      const session = currentSession(`${className}.remote`);
      const { name, namespace = session.namespace, getIfExists } = options;
      const named = name === undefined ? undefined : { name, namespace };
      const existing = named && session.registry.find(named);
      if (existing && getIfExists) return existing as ActorHandle<InstanceType<C>>;
      if (named) session.registry.refuseTaken(named);
      const { maxConcurrency, maxPendingCalls, maxHeapMb, runtimeEnv, healthCheckTimeout } = options;
      const maxRestarts = finite(options.maxRestarts);
      const maxTaskRetries = finite(options.maxTaskRetries);
      const actor = createActor(session.runtime, {
        className,
        location,
        args,
        isAsync,
        errorClasses: errorClassesFrom(source),
        ...(maxConcurrency !== undefined && { maxConcurrency }),
        ...(maxPendingCalls !== undefined && { maxPendingCalls }),
        ...(maxRestarts !== undefined && { maxRestarts }),
        ...(maxTaskRetries !== undefined && { maxTaskRetries }),
        ...(maxHeapMb !== undefined && { maxHeapMb }),
        ...(healthCheckTimeout !== undefined && { unresponsiveMs: healthCheckTimeout * 1000 }),
        ...(runtimeEnv?.envVars && { extraEnv: runtimeEnv.envVars }),
      });
      session.actors.add(actor);
      void actor.died.then(() => session.actors.delete(actor));
      const handle = makeHandle<InstanceType<C>>(actor, shape);
      if (named) session.registry.claim(named, handle);
      return handle;
    },
  };
}

const byModule = new Map<string, { classes: ErrorClasses }>();

/**
 * Error classes by name: those that the module exports, and those told. The module is loaded already, as its class came
 * from it, so the import settles at once; it is not awaited, for a main module under its own top-level await would wait
 * for itself.
 */
function errorClassesFrom({ location: { module }, errors }: ClassSource): () => ErrorClasses {
  let exported = byModule.get(module);
  if (exported === undefined) {
    const found = { classes: new Map() as ErrorClasses };
    byModule.set(module, (exported = found));
    import(module).then(
      (namespace: Record<string, unknown>) => (found.classes = errorClassesOf(namespace)),
      () => {},
    );
  }
  const known = exported;
  const told = new Map(errors.map((kind) => [kind.name, kind] as const));
  return () => (told.size === 0 ? known.classes : new Map([...known.classes, ...told]));
}
