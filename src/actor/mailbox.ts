/**
 * The mailbox of an actor: takes calls in their order, runs at most `maxConcurrency` of them at a time (1 = serial: the
 * next begins when the one before has settled), and posts what came of them in one array per drain.
 *
 * Not here: the port and the thread (`entry.ts`).
 *
 * Invariants:
 * M1 calls begin in the order in which they came.
 * M2 every taken call ends in exactly one of done, failed, cancelled, unless the thread ends first.
 * M3 a result is copied when its method returns it, not when the batch leaves.
 */
import { errorToWire, type WireError } from '../kernel/errors.ts';
import { snapshot } from '../kernel/snapshot.ts';
import type { ActorHolder, CurrentCall } from './context.ts';
import type { FromActor } from './messages.ts';

/** Thrown by `exitActor()` to unwind the method that called it. */
export class ActorExit extends Error {
  override readonly name = 'ActorExit';
}

/** How long calls may follow each other before the port is looked at. */
const LOOK_EVERY_MS = 2;

type Method = (...args: readonly unknown[]) => unknown;

class TakenCall implements CurrentCall {
  readonly callId: number;
  readonly method: string;
  readonly args: readonly unknown[];
  phase: 'queued' | 'running' | 'settled' = 'queued';
  isCanceled = false;
  #controller: AbortController | undefined;

  constructor(callId: number, method: string, args: readonly unknown[]) {
    this.callId = callId;
    this.method = method;
    this.args = args;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.isCanceled) this.#controller.abort();
    return this.#controller.signal;
  }

  cancel(): void {
    this.isCanceled = true;
    this.#controller?.abort();
  }
}

export interface MailboxOptions {
  readonly className: string;
  readonly holder: ActorHolder;
  /** Sends a batch to the daemon. */
  readonly send: (frames: FromActor[]) => void;
  /** Takes in what has come meanwhile: a cancel may be among it for a call that a long one holds up. */
  readonly lookAhead: () => void;
  /** Nothing is left to do and the actor was asked to end. Called once. */
  readonly onDrained: () => void;
}

type Phase =
  /** The class is not constructed yet: calls wait. */
  { kind: 'closed' } | { kind: 'open'; target: object; methods: ReadonlySet<string>; maxConcurrency: number };

export class Mailbox {
  readonly #options: MailboxOptions;
  #phase: Phase = { kind: 'closed' };
  #queue: TakenCall[] = [];
  #queueHead = 0;
  #running = 0;
  readonly #byId = new Map<number, TakenCall>();
  #outbox: FromActor[] = [];
  #isFlushPlanned = false;
  /** Calls are being begun: what they post at once leaves, or its flush is planned, when that is over. */
  #isAdvancing = false;
  /** Started and not settled since the last look: to be announced unless they settle within their tick. */
  #unannounced: TakenCall[] = [];
  #ending: 'no' | 'asked' | 'drained' = 'no';
  #lastBegun: TakenCall | undefined;
  /** Calls held the thread up: what came meanwhile is taken in before the next one begins. */
  #mustLook = false;

  constructor(options: MailboxOptions) {
    this.#options = options;
  }

  /** Where a throw that no call answers for came from, as far as one can tell: for texts. */
  get whereabouts(): string {
    const call = this.#lastBegun;
    if (call === undefined) return 'before its first call';
    return `${call.phase === 'running' ? 'while it ran' : 'after'} ${call.method}`;
  }

  /** The actor is constructed: calls may begin. */
  open(target: object, methods: ReadonlySet<string>, maxConcurrency: number): void {
    this.#phase = { kind: 'open', target, methods, maxConcurrency };
    this.advance();
  }

  /** Puts a call at the end of the queue; `advance` begins what may begin. */
  take(callId: number, method: string, args: readonly unknown[]): void {
    if (this.#ending !== 'no') return;
    const call = new TakenCall(callId, method, args);
    this.#byId.set(callId, call);
    this.#queue.push(call);
  }

  /** A queued call is removed; a running one is told by its signal. */
  cancel(callId: number): void {
    const call = this.#byId.get(callId);
    if (call === undefined) return;
    call.cancel();
    if (call.phase !== 'queued') return;
    this.#close(call);
    this.post(['cancelled', callId]);
  }

  /** No call is taken any more; `onDrained` follows, by `advance`, when those taken have settled. */
  end(): void {
    if (this.#ending !== 'no') return;
    this.#ending = 'asked';
  }

  /** Forgets what waits, ends when what runs has settled. */
  leave(): void {
    for (const call of this.#queue.slice(this.#queueHead)) this.#close(call);
    this.end();
  }

  /** Adds a frame to the batch of this tick. */
  post(frame: FromActor): void {
    this.#outbox.push(frame);
    if (this.#isFlushPlanned || this.#isAdvancing) return;
    this.#planFlush();
  }

  #planFlush(): void {
    this.#isFlushPlanned = true;
    // nextTick, asked for by a microtask, comes when the microtasks have run dry: one batch for a drained inbox.
    process.nextTick(this.#flushPlanned);
  }

  flush(): void {
    if (this.#outbox.length === 0) return;
    const frames = this.#outbox;
    this.#outbox = [];
    this.#options.send(frames);
  }

  readonly #flushPlanned = (): void => {
    this.#isFlushPlanned = false;
    this.flush();
  };

  /** Begins what may begin. To be called when calls were taken, or the end was asked for. */
  advance(): void {
    const phase = this.#phase;
    if (phase.kind === 'closed') return;
    if (this.#mustLook) {
      this.#mustLook = false;
      this.#options.lookAhead();
    }
    const beganMs = performance.now();
    let lookedMs = beganMs;
    this.#isAdvancing = true;
    while (this.#running < phase.maxConcurrency && this.#queueHead < this.#queue.length) {
      const call = this.#queue[this.#queueHead]!;
      this.#queueHead += 1;
      if (call.phase !== 'queued') continue;
      this.#begin(phase, call);
      if (this.#queueHead === this.#queue.length) break;
      const nowMs = performance.now();
      if (nowMs - lookedMs < LOOK_EVERY_MS) continue;
      lookedMs = nowMs;
      // What has ended need not wait for what is long.
      this.flush();
      this.#options.lookAhead();
    }
    this.#isAdvancing = false;
    this.#mustLook = performance.now() - beganMs >= LOOK_EVERY_MS;
    if (this.#queueHead === this.#queue.length) {
      this.#queue.length = 0;
      this.#queueHead = 0;
    } else if (this.#queueHead > 1024) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
    if (this.#byId.size > 0) {
      if (this.#outbox.length > 0 && !this.#isFlushPlanned) this.#planFlush();
      return;
    }
    // Nothing is left that could share the batch.
    this.flush();
    if (this.#ending === 'asked') {
      this.#ending = 'drained';
      this.#options.onDrained();
    }
  }

  #begin(phase: Extract<Phase, { kind: 'open' }>, call: TakenCall): void {
    call.phase = 'running';
    this.#lastBegun = call;
    this.#running += 1;
    const { holder } = this.#options;
    let result: unknown;
    try {
      if (!phase.methods.has(call.method)) throw this.#noSuchMethod(phase, call.method);
      holder.call = call;
      result = (phase.target as Record<string, Method>)[call.method]!(...call.args);
    } catch (error) {
      this.#failed(call, error);
      return;
    } finally {
      holder.call = undefined;
    }
    if (isThenable(result)) {
      if (this.#unannounced.push(call) === 1) setImmediate(this.#announce);
      void this.#settleLater(call, result);
    } else {
      this.#done(call, result);
    }
  }

  async #settleLater(call: TakenCall, result: PromiseLike<unknown>): Promise<void> {
    let value: unknown;
    try {
      value = await result;
    } catch (error) {
      this.#failed(call, error);
      if (this.#queueHead < this.#queue.length || this.#ending === 'asked') this.advance();
      return;
    }
    this.#done(call, value);
    if (this.#queueHead < this.#queue.length || this.#ending === 'asked') this.advance();
  }

  #done(call: TakenCall, value: unknown): void {
    let copy: unknown;
    try {
      copy = snapshot(value);
    } catch (error) {
      const where = `${this.#options.className}.${call.method}`;
      this.#failed(call, new TypeError(`${where} returned what cannot be sent: ${String(error)}`, { cause: error }));
      return;
    }
    this.#settle(call);
    this.post(['done', call.callId, copy]);
  }

  #failed(call: TakenCall, error: unknown): void {
    if (error instanceof ActorExit) {
      // Its call stays without an answer: it fails with the death of the actor.
      this.#settle(call);
      return;
    }
    this.#settle(call);
    this.post(['failed', call.callId, withoutOurFrames(errorToWire(error))]);
  }

  #settle(call: TakenCall): void {
    this.#running -= 1;
    this.#close(call);
  }

  #close(call: TakenCall): void {
    call.phase = 'settled';
    this.#byId.delete(call.callId);
  }

  /** Says 'started' of those that are still at it: for most calls the result comes first and says it all. */
  readonly #announce = (): void => {
    const calls = this.#unannounced;
    this.#unannounced = [];
    for (const call of calls) if (call.phase === 'running') this.post(['started', call.callId]);
  };

  #noSuchMethod(phase: Extract<Phase, { kind: 'open' }>, method: string): TypeError {
    return new TypeError(`${this.#options.className} has no method ${method}; it has ${[...phase.methods].join(', ')}`);
  }
}

/** The stack as far as it is the user's: below a method stand the mailbox and the port. */
function withoutOurFrames(wire: WireError): WireError {
  const ours = wire.stack?.indexOf(OUR_FRAME) ?? -1;
  return ours < 0 ? wire : { ...wire, stack: wire.stack!.slice(0, ours) };
}

const OUR_FRAME = '\n    at #begin (';

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
