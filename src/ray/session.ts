/** What lives between `init` and `shutdown`: the runtime that hosts actors, the names, and the handles made. */
import { isInActor } from '../actor/context.ts';
import { RaySystemError, ValueError } from '../driver/errors.ts';
import type { ActorHandle as DriverHandle } from '../driver/handle.ts';
import { ActorRegistry } from '../driver/registry.ts';
import type { ActorRuntime } from '../driver/runtime.ts';

export interface InitOptions {
  /** Where names of actors live unless they say otherwise. Default: one of its own. */
  namespace?: string;
  /** Where actors print to, one file each; default: a temporary folder that goes with `shutdown`. */
  logDir?: string;
  /** Actors at a time; one more dies as unschedulable. Default 512. */
  maxActors?: number;
  /** Return quietly when there is a session already. Default false. */
  ignoreReinitError?: boolean;
}

const INIT_KEYS = new Set(['namespace', 'logDir', 'maxActors', 'ignoreReinitError']);

export interface Session {
  readonly runtime: ActorRuntime;
  readonly namespace: string;
  readonly logDir: string;
  readonly registry: ActorRegistry<object>;
  readonly actors: Set<DriverHandle>;
  readonly stop: () => Promise<void>;
}

/** What `init` gives: facts, and a way to end the session with a scope. */
export interface RayContext extends AsyncDisposable {
  readonly namespace: string;
  readonly logDir: string;
}

let session: Session | undefined;
let starting: Promise<Session> | undefined;

/**
 * Starts a runtime in this process.
 * @throws ValueError for a bad option; RaySystemError when there is one already, or in an actor's thread
 */
export async function init(options: InitOptions = {}): Promise<RayContext> {
  for (const key of Object.keys(options)) {
    if (!INIT_KEYS.has(key)) {
      throw new ValueError(`init: ${key} is no option that Skein offers; valid: ${[...INIT_KEYS].join(', ')}`);
    }
  }
  if (isInActor()) {
    throw new RaySystemError(
      'init: this is the thread of an actor. If it came here by importing your main module, move the actor class to a module of its own, or call init only where isMainThread (node:worker_threads)',
    );
  }
  const { namespace = crypto.randomUUID(), logDir, maxActors, ignoreReinitError = false } = options;
  if (maxActors !== undefined && !(Number.isInteger(maxActors) && maxActors > 0)) {
    throw new ValueError(`init: maxActors: ${String(maxActors)} is no whole number of at least 1`);
  }
  if (session ?? starting) {
    if (!ignoreReinitError)
      throw new RaySystemError('init was called before; shutdown() first, or pass ignoreReinitError');
    return contextOf(session ?? (await starting!));
  }
  starting = start(namespace, {
    ...(logDir !== undefined && { logDir }),
    ...(maxActors !== undefined && { maxActors }),
  });
  try {
    session = await starting;
  } finally {
    starting = undefined;
  }
  return contextOf(session);
}

async function start(namespace: string, options: { logDir?: string; maxActors?: number }): Promise<Session> {
  // oxlint-disable-next-line no-restricted-imports -- lazy, and the only way from here to a host: DESIGN "Rooms"
  const { startLocalRuntime } = await import('../embed/local-runtime.ts');
  const { runtime, logDir, stop } = await startLocalRuntime(options);
  return { runtime, namespace, logDir, registry: new ActorRegistry(), actors: new Set(), stop };
}

function contextOf({ namespace, logDir }: Session): RayContext {
  return { namespace, logDir, [Symbol.asyncDispose]: shutdown };
}

/** Ends every actor and waits until their threads are gone. Pending calls fail. Harmless without a session. */
export async function shutdown(): Promise<void> {
  const ending = session ?? (await starting);
  session = undefined;
  if (ending === undefined) return;
  for (const actor of ending.actors) actor.kill();
  await ending.stop();
}

export function isInitialized(): boolean {
  return session !== undefined;
}

/** @throws RaySystemError when there is none */
export function currentSession(what: string): Session {
  if (session !== undefined) return session;
  throw new RaySystemError(`${what}: there is no session; await init() first`);
}
