/**
 * The head: owns runs, hands batches to nodes, answers clients. One gRPC port; never in the data path (DESIGN rule 1).
 * This file puts the parts together: nodes (`node-desk.ts`, `run-words.ts`, `silence.ts`), runs (`run-starter.ts`,
 * `run-table.ts`), work (`dispatcher.ts`, `grants.ts`), clients (`run-service.ts`).
 *
 * Invariants: H1 everything here can be rebuilt from the store: a run is adopted from its manifest, its rows and its last
 * status. H2 a daemon acts only while it holds the bucket's lease, and on a run only with the run's; the clock is asked
 * at every step, so that one that was frozen finds out first. H3 a head inside a command waits for nobody.
 */
import type { Server } from '@grpc/grpc-js';

import { NodeServiceService } from '../gen/skein/v1/node.ts';
import {
  RunServiceService,
  type DescribeResponse,
  type InspectRequest,
  type InspectResponse,
  type StatusResponse,
  type WatchRunResponse,
} from '../gen/skein/v1/run.ts';
import { describeError, isSkeinError, SkeinError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import type { Logger } from '../kernel/log.ts';
import type { Secrets } from '../kernel/secrets.ts';
import { VERSION } from '../kernel/version.ts';
import { describeHolder, Lease, type LeaseDocument, type LeaseTimes } from '../run/lease.ts';
import { HEAD_LEASE_NAME } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { ONE_PROCESS } from '../wire/channel.ts';
import { duplex, tokenGuard } from '../wire/handlers.ts';
import type { Security } from '../wire/security.ts';
import { createServer, listen } from '../wire/server.ts';
import type { ActiveRun, RunNodes } from './active-run.ts';
import { Dispatcher } from './dispatcher.ts';
import { Grants } from './grants.ts';
import { nodeStatuses, runSummaries } from './head-status.ts';
import type { BeatFacts } from './heartbeat.ts';
import { Inspections, MAX_LOG_LINES } from './inspection.ts';
import { Losses } from './losses.ts';
import { NodeDesk } from './node-desk.ts';
import type { NodeSession, Order } from './node-session.ts';
import { NodeSessions } from './node-sessions.ts';
import { openDaemonRuns } from './open-runs.ts';
import { findingsOf, progressOf } from './progress.ts';
import { Roster } from './roster.ts';
import { runService, type RunServiceHost } from './run-service.ts';
import { RunStarter, type AskedStart } from './run-starter.ts';
import { RunTable } from './run-table.ts';
import { openOrder, RunWords } from './run-words.ts';
import { sendRevoke, Silence } from './silence.ts';

export interface HeadOptions {
  readonly store: ObjectStore;
  /** What every call but health must present, and TLS. */
  readonly security: Security;
  readonly log: Logger;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free one. */
  readonly port?: number;
  /** A daemon owns the bucket and outlives its nodes and they it; an embedded head lives and dies with one command. */
  readonly kind: 'daemon' | 'embedded';
  /** Made once per data dir: a restart on it takes its lease over at once. */
  readonly headId: string;
  /** New at every start. */
  readonly bootId: string;
  /** Whether it listens beyond its machine without TLS: clients hear of it before they send a secret. Default false. */
  readonly isPlainNetwork?: boolean;
  /** How long a node may be silent before what it runs counts as lost. Default 300,000. */
  readonly lostAfterMs?: number;
  /** How long dispatch of an adopted run waits for the word of the nodes that its status names. Default 10,000. */
  readonly settleMs?: number;
  /** Refuses runs that bring a framework of their own. Default false. */
  readonly refusesUserCode?: boolean;
  /** Of the leases; for tests. */
  readonly leaseTimes?: LeaseTimes;
  /** A client asked the head to end. */
  readonly onShutdown?: (graceMs: number) => void;
  /** The last lines of this head's log; default: it keeps none that can be read. */
  readonly recentLog?: (lines: number) => string[];
  /** Another head took the bucket: this one hands out nothing any more. */
  readonly onLeaseLost?: (by: LeaseDocument | undefined) => void;
}

const LOST_AFTER_MS = 300_000;
const SETTLE_MS = 10_000;
const OPEN_TRIES = 3;

export class Head implements AsyncDisposable {
  readonly #options: HeadOptions;
  readonly #server: Server;
  readonly #startedMs = Date.now();
  readonly #stopping = new AbortController();
  readonly #runs = new RunTable();
  readonly #roster = new Roster();
  readonly #inspections = new Inspections(this.#roster);
  readonly #dispatcher: Dispatcher;
  readonly #starter: RunStarter;
  readonly #desk: NodeDesk;
  readonly #sessions: NodeSessions;
  #lease: Lease | undefined;
  #address = '';
  #storeTrouble = '';
  #looking: Promise<void> | undefined;

  private constructor(options: HeadOptions) {
    this.#options = options;
    const { store, log, kind, headId, bootId, security, lostAfterMs = LOST_AFTER_MS } = options;
    this.#server = createServer({
      security,
      open: [RunServiceService.health.path],
      keepalive: kind === 'embedded' ? ONE_PROCESS : undefined,
    });
    const { signal } = this.#stopping;
    const [roster, runs] = [this.#roster, this.#runs];
    const mayAct = (): boolean => this.#holdsLease();
    const isLooking = (): boolean => this.#looking !== undefined;
    const drop = (session: NodeSession): void => this.#sessions.drop(session);
    const bootOf = (node: string): string | undefined => {
      const record = roster.get(node);
      return record?.session && record.bootId;
    };
    const grants = new Grants({ store, log, bootOf, isDurable: kind === 'daemon' });
    const dispatcher = new Dispatcher({
      roster,
      runs: () => runs.active(),
      grants,
      log,
      mayAct,
      isSettling: (run) => this.#starter.isSettling(run),
    });
    const losses = new Losses({ store, log, mayWrite: mayAct, onSettled: () => dispatcher.schedule(), signal });
    // Inside a command nothing mends itself while somebody waits.
    const openTries = kind === 'daemon' ? OPEN_TRIES : 1;
    const words = new RunWords({ log, roster, runs, grants, dispatcher, openTries, isLooking });
    const silence = new Silence({ log, roster, runs, grants, dispatcher, lostAfterMs, mayAct, drop, signal });
    const welcome = () => ({ headEpoch: this.epoch, storeUrl: store.url, lostAfterMs });
    this.#dispatcher = dispatcher;
    const shared = { store, log, roster, grants, signal };
    const inspections = this.#inspections;
    this.#desk = new NodeDesk({ ...shared, runs, dispatcher, words, silence, inspections, isLooking, welcome, drop });
    this.#starter = new RunStarter({
      ...shared,
      owner: { headId, bootId, kind },
      leaseTimes: options.leaseTimes,
      address: () => this.#address,
      nodes: this.#runNodes(),
      writeLoss: losses.write,
      writeVerdict: losses.writeVerdict,
      lookForRow: losses.look,
      facts: (run) => this.#beatFacts(run),
      refusesUserCode: options.refusesUserCode === true,
      settleMs: options.settleMs ?? SETTLE_MS,
      holdsLease: mayAct,
      isOver: () => this.#lease?.isLost === true || signal.aborted,
      onBeat: (trouble) => (this.#storeTrouble = trouble ?? ''),
      onSettled: () => dispatcher.schedule(),
    });
    this.#sessions = new NodeSessions(this.#desk);
  }

  /**
   * Takes the bucket's lease (a daemon), binds and serves; a daemon then takes on the runs that daemons left open.
   * @throws SkeinError PREFLIGHT when another head has the bucket, or the port cannot be bound
   */
  static async start(options: HeadOptions): Promise<Head> {
    const head = new Head(options);
    try {
      if (options.kind === 'daemon') await head.#takeLease();
      await head.#bind();
      if (options.kind === 'daemon') {
        await head.#lease?.renew(head.#address);
        head.#looking = head.#lookForRuns();
      }
      return head;
    } catch (error) {
      await head[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `host:port` that clients and nodes dial. */
  get address(): string {
    return this.#address;
  }

  /** Of the bucket's lease; 0 for an embedded head. */
  get epoch(): number {
    return this.#lease?.epoch ?? 0;
  }

  /** Settles when every run that a daemon left open has been taken on, or could not be. */
  async adopted(): Promise<void> {
    await this.#looking;
  }

  /** Ends it: runs stay open in the store with a last beat, the lease is given up, nodes wait for a successor. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#dispatcher.stop();
    this.#server.forceShutdown();
    await this.#looking;
    await this.#runs.settled();
    await Promise.all(this.#runs.active().map((run) => run.abandon()));
    await this.#lease?.release();
  }

  /** Stops at once and leaves everything as a SIGKILL would: no last beat, no lease given up. For tests of what follows. */
  async crash(): Promise<void> {
    this.#stopping.abort();
    this.#dispatcher.stop();
    for (const run of this.#runs.active()) run.halt();
    this.#lease?.abandon();
    this.#server.forceShutdown();
    await this.#looking;
    await this.#runs.settled();
  }

  async #takeLease(): Promise<void> {
    const { store, headId, bootId, log, leaseTimes } = this.#options;
    const outcome = await Lease.acquire({
      ...leaseTimes,
      store,
      name: HEAD_LEASE_NAME,
      owner: { headId, bootId, kind: 'daemon' },
      onLost: (by) => this.#leaseLost(by),
      onRenewed: () => (this.#storeTrouble = ''),
      onTrouble: (error) => {
        this.#storeTrouble = describeError(error);
        log.warn({ error: this.#storeTrouble }, 'lease not renewed yet');
      },
      signal: this.#stopping.signal,
    });
    if (outcome.kind === 'refused') {
      throw new SkeinError(
        'PREFLIGHT',
        `${store.url} belongs to another head: ${describeHolder(outcome.by)}. Stop that one first, or give --store another place`,
      );
    }
    failPoint('head.lease-taken');
    this.#lease = outcome.lease;
    log.info({ epoch: outcome.lease.epoch, headId, bootId }, 'lease taken');
  }

  #leaseLost(by: LeaseDocument | undefined): void {
    const { log, onLeaseLost } = this.#options;
    log.error({ epoch: this.epoch, by: by && describeHolder(by) }, 'lease lost: this head hands out nothing any more');
    onLeaseLost?.(by);
  }

  /** Whether this head may act at this instant. */
  #holdsLease(): boolean {
    return this.#options.kind === 'embedded' || (this.#lease?.holds() ?? false);
  }

  async #bind(): Promise<void> {
    const { host = '127.0.0.1', port = 0, security } = this.#options;
    const guard = tokenGuard(security.token);
    this.#server.addService(NodeServiceService, { link: duplex(guard, (stream) => this.#sessions.serve(stream)) });
    this.#server.addService(RunServiceService, runService(guard, this.#clientsHost()));
    const bound = await listen(this.#server, host, port, security);
    this.#address = `${host}:${bound}`;
  }

  #clientsHost(): RunServiceHost {
    return {
      runs: this.#runs,
      stopping: this.#stopping.signal,
      describe: () => this.#describe(),
      status: () => this.#status(),
      inspect: (request) => this.#inspect(request),
      start: (runId, maxInFlight, secrets) => this.#startWith(runId, maxInFlight, secrets),
      find: async (runId) => {
        if (!this.#runs.isKnown(runId)) await this.#looking;
        return this.#runs.known(runId);
      },
      progress: (run) => this.#progress(run),
      shutdown: (graceMs) => {
        this.#options.log.info({ graceMs }, 'asked to end');
        this.#options.onShutdown?.(graceMs);
      },
    };
  }

  #describe(): DescribeResponse {
    const { store, headId, bootId, isPlainNetwork = false } = this.#options;
    const facts = { storeUrl: store.url, headId, bootId, epoch: this.epoch, isPlainNetwork };
    return { version: VERSION, ...facts, userCodeRefused: this.#userCodeRefused() };
  }

  /** Why runs with a framework of their own would never start here, as far as that is known now; else empty. */
  #userCodeRefused(): string {
    if (this.#options.refusesUserCode) return 'this head was started with --no-user-code';
    const connected = this.#roster.connected();
    const isRefusedByAll = connected.length > 0 && connected.every(({ session }) => session?.hello.refusesUserCode);
    return isRefusedByAll ? 'every node was started with --no-user-code' : '';
  }

  #status(): StatusResponse {
    return {
      ...this.#describe(),
      address: this.#address,
      startedMs: this.#startedMs,
      rssBytes: process.memoryUsage.rss(),
      storeTrouble: this.#storeTrouble,
      hasLease: this.#holdsLease(),
      nodes: nodeStatuses(this.#roster, this.#runs),
      runs: runSummaries(this.#runs, (run) => this.#waitingFor(run)),
    };
  }

  async #inspect({ runId, logLines, waitMs }: InspectRequest): Promise<InspectResponse> {
    const nodes = await this.#inspections.ask({ logLines, waitMs });
    const run = this.#runs.get(runId);
    return {
      status: this.#status(),
      log: this.#options.recentLog?.(Math.min(logLines, MAX_LOG_LINES)) ?? [],
      nodes,
      run: run && findingsOf(run),
    };
  }

  #progress(run: ActiveRun): WatchRunResponse {
    const nodes = { connected: this.#roster.connected().length, ...this.#roster.actors() };
    return progressOf(run, nodes, this.#waitingFor(run));
  }

  /** Nodes that have not spoken yet may bring what is missing. */
  #waitingFor(run: ActiveRun): string {
    return this.#starter.isSettling(run) ? '' : run.waitingFor;
  }

  /** As `#start`, with what the run's actors need; a run that is here already gets it from now on (W-13). */
  async #startWith(runId: string, maxInFlight: number, secrets: Secrets): Promise<void> {
    const run = await this.#start(runId, { maxInFlight, secrets });
    if (secrets.isEmpty || run.secrets === secrets) return;
    this.#options.log.info({ run: runId, names: secrets.names }, 'secrets given');
    run.provide(secrets);
    for (const { session } of this.#roster.connected()) session?.send(openOrder(run));
    await run.beat();
    this.#dispatcher.schedule();
  }

  /** Takes on a run, once. @throws SkeinError NOT_FOUND | CORRUPT | PREFLIGHT (somebody else works on it) | UNAVAILABLE */
  #start(runId: string, asked?: AskedStart): Promise<ActiveRun> {
    if (!this.#holdsLease() && !this.#runs.isKnown(runId)) {
      const text = `run ${runId}: this head does not hold the lease of ${this.#options.store.url}, so it starts nothing`;
      return Promise.reject(new SkeinError('UNAVAILABLE', text));
    }
    return this.#runs.adopt(
      runId,
      () => this.#starter.start(runId, asked),
      (run, early) => {
        void run.ended.then(() => this.#ended(run));
        this.#desk.enter(run, early, this.#starter.bootsOf(runId));
      },
    );
  }

  #runNodes(): RunNodes {
    const send = (node: string, order: Order): void => this.#roster.get(node)?.session?.send(order);
    return {
      drain: (node, runId, graceMs) => send(node, { $case: 'drain', value: { runId, graceMs } }),
      close: (node, runId) => send(node, { $case: 'closeRun', value: { runId } }),
      revoke: (node, runId, tasks) => {
        const session = this.#roster.get(node)?.session;
        if (session) sendRevoke(session, runId, tasks);
      },
    };
  }

  #beatFacts(run: ActiveRun): BeatFacts {
    // Silent ones too, and those that have not dialled in yet: the next head must wait for them as this one does.
    const nodes = this.#roster.list().map(({ name, dataDirId, bootId }) => ({
      node: name,
      data_dir_id: dataDirId,
      boot_id: bootId,
      tasks_out: run.ledger.heldBy(name).count,
    }));
    return { actors: this.#roster.actors(), nodes, waitingFor: this.#waitingFor(run) };
  }

  #ended(run: ActiveRun): void {
    this.#runs.remember(run, this.#progress(run));
    this.#starter.forget(run.runId);
    this.#dispatcher.schedule();
  }

  /** Takes on every run that a daemon left open: one listing of the runs, at start only. */
  async #lookForRuns(): Promise<void> {
    const { store, log } = this.#options;
    const { signal } = this.#stopping;
    try {
      for await (const runId of openDaemonRuns(store, signal)) {
        if (signal.aborted) return;
        log.info({ run: runId }, 'run was left open: taken on');
        // One after the other would let a large run hold up the rest.
        this.#start(runId).catch((error: unknown) =>
          log.error({ run: runId, error: describeError(error) }, 'run could not be taken on'),
        );
      }
      await this.#runs.settled();
    } catch (error) {
      if (!isSkeinError(error, 'CANCELLED'))
        log.error({ error: describeError(error) }, 'open runs could not be listed');
    } finally {
      this.#looking = undefined;
      if (!signal.aborted) this.#desk.closeUnclaimed();
    }
  }
}
