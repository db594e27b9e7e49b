/**
 * What user code in an actor's thread may know and ask: who it is, which call it serves, and the services of its daemon.
 *
 * The holder lives on `globalThis`, so that every copy of this module in the thread (a test's `src`, the product's
 * `dist`) sees the same actor. Outside an actor there is none.
 */

/** The actor whose thread this is. */
export interface CurrentActor {
  readonly actorId: string;
  readonly className: string;
  /** How often this actor was started before. */
  readonly restarts: number;
  /** Where what it prints goes at this moment. */
  readonly logPath: string;
  /**
   * Asks the daemon, which answers by a service of that name (`locks.acquire` …).
   * @throws what the service threw; TypeError when `payload` cannot be cloned
   */
  ask(service: string, payload: unknown): Promise<unknown>;
  /** Sends everything that is printed from now on to `path` (appended); the result puts it back (W-12). */
  redirectLog(path: string): () => void;
  /** A line into the log. */
  log(line: string): void;
  /** Ends the actor when the call that it serves has unwound; it is not restarted. Throws, to unwind. */
  exit(): never;
}

/** The call that a method serves. Ask for it before the first `await`: later, another call may be current. */
export interface CurrentCall {
  readonly method: string;
  /** Aborts when the caller cancels. */
  readonly signal: AbortSignal;
  readonly isCanceled: boolean;
}

/** Where the entry leaves what this module hands out. */
export interface ActorHolder {
  actor: CurrentActor | undefined;
  call: CurrentCall | undefined;
}

const KEY = Symbol.for('skein.actor');

/** The thread's holder; made on first use. */
export function actorHolder(): ActorHolder {
  const place = globalThis as { [KEY]?: ActorHolder };
  return (place[KEY] ??= { actor: undefined, call: undefined });
}

/** Whether this code runs in an actor's thread. */
export function isInActor(): boolean {
  return actorHolder().actor !== undefined;
}

/** @throws TypeError outside an actor */
export function currentActor(): CurrentActor {
  const { actor } = actorHolder();
  if (actor === undefined) throw new TypeError('no actor here: currentActor() works only in the thread of an actor');
  return actor;
}

/** @throws TypeError outside a method, or after its first `await` */
export function currentCall(): CurrentCall {
  const { call } = actorHolder();
  if (call === undefined) {
    throw new TypeError('no call here: ask for currentCall() in an actor method, before its first await');
  }
  return call;
}
