/**
 * What crosses between an actor's thread and its daemon: two unions and nothing else. Frames are tuples (1.9 times
 * cheaper to clone than objects) and travel in arrays, one array a tick (DESIGN rule 12).
 */
import type { WireError } from '../kernel/errors.ts';

/** Where a user's class is found: a thread imports it, it never travels as a closure. */
export interface ClassLocation {
  /** `file:` URL or package name that `import()` takes. */
  readonly module: string;
  readonly exportName: string;
}

/** What a thread needs to host one actor. Sent once, with the port. */
export interface ActorSpec {
  readonly actorId: string;
  /** As its caller knows it: for texts. */
  readonly className: string;
  readonly location: ClassLocation;
  /** Encoded constructor arguments. */
  readonly args: readonly unknown[];
  /** Absent: 1 for a serial class, 1000 for an async one (ray-compatibility 1.4). */
  readonly maxConcurrency?: number;
  /** A class whose `async` was compiled away says so. */
  readonly isAsync?: boolean;
  /** How often the thread sends `beat`; 0 = never. */
  readonly beatMs: number;
  /** Where everything that the actor prints goes, appended (W-12). */
  readonly logPath: string;
  /** Printing waits while the log is longer: somebody cuts it back. Absent: it never waits. */
  readonly logPauseBytes?: number;
  /** How many times this actor was started before. */
  readonly restarts: number;
  /** Variables of its environment whose values nothing that it prints may show. */
  readonly secretNames: readonly string[];
  /** `armedFailPoint()` of the daemon. */
  readonly failPoint: string;
}

/** daemon → thread */
export type ToActor =
  | readonly [kind: 'call', callId: number, method: string, args: readonly unknown[]]
  | readonly [kind: 'cancel', callId: number]
  | readonly [kind: 'answer', askId: number, value: unknown, error: WireError | undefined]
  /** Finish what was taken, then end. */
  | readonly [kind: 'terminate'];

/** thread → daemon */
export type FromActor =
  /** The entry runs; user code comes next. Anything before this is the pool's own start. */
  | readonly [kind: 'hello']
  /** The module, its export or the class in it is not what the spec says. */
  | readonly [kind: 'load-failed', error: WireError]
  /** The constructor returned; what the class looks like. */
  | readonly [kind: 'ready', methods: readonly string[], isAsync: boolean]
  | readonly [kind: 'constructor-failed', error: WireError]
  | readonly [kind: 'started', callId: number]
  | readonly [kind: 'done', callId: number, value: unknown]
  | readonly [kind: 'failed', callId: number, error: WireError]
  | readonly [kind: 'cancelled', callId: number]
  /** The actor asks its daemon for something: a lock, an upload, SQL. */
  | readonly [kind: 'ask', askId: number, service: string, payload: unknown]
  /** The thread's loop is alive; sent at an interval. */
  | readonly [kind: 'beat']
  /** What the actor prints now goes there: the end of it is a death's last lines. */
  | readonly [kind: 'logs-to', path: string]
  /** A throw that no call can answer for, late or unhandled: the thread ends with it. */
  | readonly [kind: 'crashed', error: WireError]
  /** The thread ends because it was asked to: `terminate`, or the actor itself by `exitActor()`. */
  | readonly [kind: 'leaving'];
