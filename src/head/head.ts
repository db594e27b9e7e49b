/**
 * The head: owns runs, hands batches to nodes, answers clients. One gRPC port; never in the data path (DESIGN rule 1).
 *
 * Invariants: H1 everything here can be rebuilt from the store: a run is adopted from its manifest and its rows. H2 a
 * node works on a run only after it has opened it. H3 status objects are written by this process alone.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { Server, type ServerWritableStream } from '@grpc/grpc-js';

import { NodeServiceService } from '../gen/skein/v1/node.ts';
import { RunServiceService, type WatchRunRequest, type WatchRunResponse } from '../gen/skein/v1/run.ts';
import { describeError, SkeinError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { VERSION } from '../kernel/version.ts';
import type { ObjectStore } from '../store/port.ts';
import { CHANNEL_OPTIONS } from '../wire/channel.ts';
import { serverCredentials, type Security } from '../wire/security.ts';
import { duplex, serverStream, tokenGuard, unary } from '../wire/handlers.ts';
import type { ActiveRun } from './active-run.ts';
import { adoptRun } from './adopt.ts';
import { chooseBatch } from './dispatch.ts';
import type { Event, NodeListener, NodeSession } from './node-session.ts';
import { NodeSessions } from './node-sessions.ts';
import { progressOf } from './progress.ts';

export interface HeadOptions {
  readonly store: ObjectStore;
  /** What every call but health must present, and TLS. */
  readonly security: Security;
  readonly log: Logger;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free one. */
  readonly port?: number;
}

/** A client hears of changes at most this often. */
const WATCH_INTERVAL_MS = 100;

export class Head implements AsyncDisposable, NodeListener {
  readonly #options: HeadOptions;
  readonly #server = new Server(CHANNEL_OPTIONS);
  readonly #sessions = new NodeSessions(this);
  readonly #runs = new Map<string, Promise<ActiveRun>>();
  readonly #active = new Map<string, ActiveRun>();
  readonly #stopping = new AbortController();
  #address = '';
  #isDispatchScheduled = false;

  private constructor(options: HeadOptions) {
    this.#options = options;
  }

  /** Binds and serves. @throws SkeinError UNAVAILABLE when the port cannot be bound */
  static async start(options: HeadOptions): Promise<Head> {
    const head = new Head(options);
    const host = options.host ?? '127.0.0.1';
    head.#serve();
    const port = await new Promise<number>((resolve, reject) => {
      head.#server.bindAsync(`${host}:${options.port ?? 0}`, serverCredentials(options.security), (error, bound) =>
        error
          ? reject(
              new SkeinError('UNAVAILABLE', `head: cannot listen on ${host}:${options.port ?? 0}`, { cause: error }),
            )
          : resolve(bound),
      );
    });
    head.#address = `${host}:${port}`;
    return head;
  }

  /** `host:port` that clients and nodes dial. */
  get address(): string {
    return this.#address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#server.forceShutdown();
    await Promise.allSettled(this.#runs.values());
    for (const run of this.#active.values()) run.abandon();
  }

  #serve(): void {
    const guard = tokenGuard(this.#options.security.token);
    this.#server.addService(NodeServiceService, { link: duplex(guard, (stream) => this.#sessions.serve(stream)) });
    this.#server.addService(RunServiceService, {
      health: unary(
        () => {},
        () => ({ version: VERSION }),
      ),
      startRun: unary(guard, async ({ runId }: { runId: string }) => {
        await this.#adopt(runId);
        return {};
      }),
      drainRun: unary(guard, async ({ runId, graceMs }: { runId: string; graceMs: number }) => {
        (await this.#known(runId)).drain(graceMs);
        return {};
      }),
      watchRun: serverStream(guard, (request: WatchRunRequest, stream, signal) => this.#watch(request, stream, signal)),
    });
  }

  /** Takes on a run, once. */
  #adopt(runId: string): Promise<ActiveRun> {
    const known = this.#runs.get(runId);
    if (known) return known;
    const { store, log } = this.#options;
    const adopting = adoptRun({
      store,
      runId,
      log,
      actors: () => {
        const sessions = this.#sessions.list();
        return {
          live: sessions.reduce((sum, { actorsLive }) => sum + actorsLive, 0),
          pending: sessions.reduce((sum, { actorsPending }) => sum + actorsPending, 0),
        };
      },
      nodes: {
        drain: (node, id, graceMs) => this.#sessions.get(node)?.send({ $case: 'drain', value: { runId: id, graceMs } }),
        close: (node, id) => this.#sessions.get(node)?.send({ $case: 'closeRun', value: { runId: id } }),
      },
    });
    this.#runs.set(runId, adopting);
    adopting.then(
      (run) => {
        this.#active.set(runId, run);
        for (const session of this.#sessions.list()) session.send({ $case: 'openRun', value: { runId } });
        run.advance();
      },
      () => this.#runs.delete(runId),
    );
    return adopting;
  }

  async #known(runId: string): Promise<ActiveRun> {
    const run = await this.#runs.get(runId);
    if (run) return run;
    throw new SkeinError('NOT_FOUND', `run ${runId}: this head does not know it`, { fields: { run: runId } });
  }

  async #watch(
    { runId }: WatchRunRequest,
    stream: ServerWritableStream<WatchRunRequest, WatchRunResponse>,
    gone: AbortSignal,
  ): Promise<void> {
    const run = await this.#known(runId);
    const signal = AbortSignal.any([gone, this.#stopping.signal]);
    let news = Promise.withResolvers<void>();
    const wake = (): void => news.resolve();
    const stop = run.onChange(wake);
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        stream.write(progressOf(run, this.#sessions.list()));
        if (run.phase.kind === 'ended') return;
        await news.promise;
        if (!this.#hasEnded(run)) await delay(WATCH_INTERVAL_MS);
        news = Promise.withResolvers<void>();
      }
    } finally {
      stop();
      signal.removeEventListener('abort', wake);
    }
  }

  #hasEnded(run: ActiveRun): boolean {
    return run.phase.kind === 'ended';
  }

  joined(session: NodeSession): void {
    this.#options.log.info({ node: session.node, version: session.hello.version }, 'node joined');
    if (session.replaces) this.#gone(session.replaces);
    for (const [runId, run] of this.#active) {
      if (run.phase.kind === 'running') session.send({ $case: 'openRun', value: { runId } });
    }
  }

  cut(session: NodeSession): void {
    this.#options.log.info({ node: session.node }, 'node gone');
    this.#sessions.drop(session);
    this.#gone(session);
  }

  resumed(session: NodeSession): void {
    this.#options.log.info({ node: session.node }, 'node is back');
  }

  refused(node: string, error: Error): void {
    this.#options.log.warn({ node, error: describeError(error) }, 'node refused');
  }

  welcome(): { headEpoch: number; storeUrl: string } {
    return { headEpoch: 0, storeUrl: this.#options.store.url };
  }

  #gone(session: NodeSession): void {
    for (const run of this.#active.values()) run.nodeGone(session.node);
  }

  event(session: NodeSession, event: Event): void {
    const { node } = session;
    switch (event.$case) {
      case 'hello':
        return;
      case 'actorsChanged':
        session.actorsLive = event.value.live;
        session.actorsPending = event.value.pending;
        return;
      case 'runOpened':
        this.#active.get(event.value.runId)?.nodeOpened(node);
        break;
      case 'taskStarted':
        this.#active.get(event.value.runId)?.taskStarted(event.value.instanceId, Date.now());
        return;
      case 'taskEnded':
        this.#active.get(event.value.runId)?.taskEnded(event.value);
        break;
      case 'runClosed':
        this.#active.get(event.value.runId)?.nodeClosed(node, event.value.helperFailures);
        break;
      case 'runFailed':
        this.#active.get(event.value.runId)?.fail(event.value.error);
        break;
    }
    this.#scheduleDispatch();
  }

  /** Once a tick, however many events came in it. */
  #scheduleDispatch(): void {
    if (this.#isDispatchScheduled) return;
    this.#isDispatchScheduled = true;
    setImmediate(() => {
      this.#isDispatchScheduled = false;
      for (const session of this.#sessions.list()) while (this.#dispatchTo(session));
    });
  }

  /** Hands one batch to `session`, of the run that has the least out there. Whether there was one. */
  #dispatchTo(session: NodeSession): boolean {
    const { node, hello } = session;
    const runs = [...this.#active.values()]
      .filter((run) => run.phase.kind === 'running' && run.isOpenAt(node))
      .map((run) => ({ run, ...run.ledger.outAt(node) }))
      .sort((a, b) => a.count - b.count);
    const held = runs.reduce((sum, { count }) => sum + count, 0);
    for (const { run, databases } of runs) {
      const waiting = run.ledger.waiting();
      const choice = chooseBatch({ actors: hello.actors, held, heldDatabases: databases, waiting });
      if (!choice) continue;
      const tasks = run.take(choice.database, choice.count, node);
      session.send({
        $case: 'batch',
        value: {
          runId: run.runId,
          database: choice.database,
          tasks: tasks.map(({ instanceId, attempt }) => ({ instanceId, attempt })),
          grantEpoch: 0,
          reference: undefined,
        },
      });
      return true;
    }
    return false;
  }
}
