/**
 * The node daemon: hosts actors, keeps locks and SQL executors for them, and works on the runs that the head opens here.
 *
 * Not here: any listening port (the node dials), any decision on what is dispatched, what a run needs (`node-run.ts`).
 *
 * Invariants: N1 a run is announced as opened only when its manifest was read and its places are known. N2 stopping
 * leaves no thread, process, timer or temp folder of this node's own; only what the spool still owes stays. N3 a cut link
 * changes nothing here: what runs goes on, and what is to be said waits in the session.
 */
import { randomUUID } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Inspect } from '../gen/skein/v1/node.ts';
import { describeError, type SkeinError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import type { Secrets } from '../kernel/secrets.ts';
import { VERSION } from '../kernel/version.ts';
import type { ObjectStore } from '../store/port.ts';
import type { Security } from '../wire/security.ts';
import { ActorHost } from './actor-host.ts';
import { ActorSlots } from './actor-slots.ts';
import type { NodePlaces } from './database-place.ts';
import { HeadLink, type Event, type Order } from './head-link.ts';
import { inspectedOf } from './inspection.ts';
import { inventoryOf } from './inventory.ts';
import { lockServices } from './lock-keeper.ts';
import { CutOff } from './cut-off.ts';
import { Health } from './node-health.ts';
import { ReferenceNews } from './reference-news.ts';
import { RunSecrets } from './run-secrets.ts';
import { openRun, type NodeRun, type NodeRunReports, type RunHosting } from './node-run.ts';
import type { HeldTask } from './run-executor.ts';
import type { Spool } from './spool.ts';
import { lifeDir, SpoolRecovery } from './spool-recovery.ts';
import { SqlSessions } from './sql-sessions.ts';
import { taskEnded } from './task-end.ts';
import type { ReadyReference } from './upload-back.ts';

export interface NodeOptions {
  readonly name: string;
  /** Made once per data dir. Default: this node's boot id, for one without a data dir. */
  readonly dataDirId?: string;
  /** New at every start. Default: a new one. */
  readonly bootId?: string;
  /** Of the head. */
  readonly address: string;
  readonly security: Security;
  /** Task actors at a time, over all runs. */
  readonly actors: number;
  readonly store: ObjectStore;
  /** This node's own folder: scratch, logs, templates. Removed when the node stops, but for what the spool owes. */
  readonly workDir: string;
  /** Where datasets, caches and references are on this machine. The node closes its locks when it stops. */
  readonly places: NodePlaces;
  /**
   * Keeps what the store does not have yet over the node's death; the node closes it when it stops. With `reconnect` a row
   * is tried until the store takes it; else, for a node inside a command, one that the store refuses is reported as such
   * and stays here. Absent: it is lost, which is right where the store is a folder on the same disk.
   */
  readonly spool?: Spool | undefined;
  /** What actors may see of the daemon's environment is cut from this. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  /** Refuses runs that bring a framework of their own. Default false. */
  readonly refusesUserCode?: boolean;
  /** Dials the head again for ever after a cut. Default false: the first cut is the end. */
  readonly reconnect?: boolean;
  /** With `reconnect`: how long the first dial is tried again. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** The last lines of this node's log; default: it keeps none that can be read. */
  readonly recentLog?: (lines: number, bytes: number) => string[];
  /** Called when the head is gone for good and the node did not ask for it. */
  onHeadLost?(error: Error): void;
}

/** What `drain` gives the store to take what ended last. */
const SHIP_MS = 30_000;

export class Node implements AsyncDisposable {
  readonly #options: NodeOptions;
  readonly #bootId: string;
  readonly #workDir: string;
  readonly #host: ActorHost;
  readonly #sql: SqlSessions;
  readonly #slots: ActorSlots;
  readonly #health: Health;
  readonly #cutOff: CutOff;
  /** How long the head waits for this node; 0 = it did not say. */
  #lostAfterMs = 0;
  readonly #recovery: SpoolRecovery | undefined;
  /** Sent only while there is a link: who is greeted hears all of it. */
  readonly #references = new ReferenceNews((value) => this.#link?.send({ $case: 'referenceReady', value }));
  readonly #stopping = new AbortController();
  readonly #runs = new Map<string, NodeRun>();
  readonly #secrets = new RunSecrets();
  /** Runs that are being opened or closed. */
  readonly #opening = new Map<string, Promise<void>>();
  readonly #closing = new Map<string, Promise<void>>();
  /** Live and pending actors of each run. */
  readonly #actors = new Map<string, { readonly live: number; readonly pending: number }>();
  #areActorsTold = true;
  #recovered: Promise<void> = Promise.resolve();
  #stopWatchingSpool: (() => void) | undefined;
  #link: HeadLink | undefined;
  /** What was to be said before there was a link. */
  readonly #early: Event[] = [];

  private constructor(options: NodeOptions) {
    const { spool, store, log, actors, env } = options;
    this.#options = options;
    this.#bootId = options.bootId ?? randomUUID();
    this.#workDir = spool ? lifeDir(options.workDir, this.#bootId) : options.workDir;
    this.#host = new ActorHost({ logDir: join(this.#workDir, 'actors'), env });
    this.#sql = new SqlSessions(join(this.#workDir, 'sql'));
    this.#slots = new ActorSlots(actors);
    this.#health = new Health(
      spool,
      (health) => this.#send({ $case: 'health', value: health }),
      (trouble) => this.#setPaused(trouble !== ''),
    );
    this.#cutOff = new CutOff((trouble) => this.#health.set('link', trouble));
    this.#recovery =
      spool &&
      new SpoolRecovery({
        isPatient: this.#isPatient,
        spool,
        store,
        log,
        signal: this.#stopping.signal,
        ended: (runId, task, end) => this.#send({ $case: 'taskEnded', value: taskEnded(runId, task, end) }),
        referenceReady: (runId, ready, settle) => this.#referenceReady(runId, ready, settle, true),
        shipped: (runId) => this.#send({ $case: 'shipped', value: { runId } }),
        onStoreTrouble: (trouble) => this.#health.set('store', trouble),
        helpersFailed: (runId, counts) => this.#helpersFailed(runId, counts),
      });
  }

  /** Begins to ship what an earlier life left, and joins the head. @throws SkeinError as `HeadLink.open` */
  static async start(options: NodeOptions): Promise<Node> {
    const node = new Node(options);
    const { name, address, security, actors, reconnect = false, connectTimeoutMs, spool, log } = options;
    const hello = {
      node: name,
      bootId: node.#bootId,
      version: VERSION,
      actors,
      dataDirId: options.dataDirId ?? node.#bootId,
      refusesUserCode: options.refusesUserCode === true,
    };
    node.#recovered = node.#recover();
    try {
      node.#link = await HeadLink.open({
        address,
        security,
        hello,
        reconnect,
        ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
        onOrder: (order) => node.#obey(order),
        onAcknowledged: (event) => {
          if (event.$case === 'referenceReady') node.#references.acknowledged(event.value);
        },
        onSession: (isNew, { lostAfterMs }) => {
          node.#lostAfterMs = lostAfterMs;
          node.#greet(isNew);
        },
        onCut: (error) => node.#cut(error),
        onDialFailed: (error) =>
          log.warn({ address, error: describeError(error) }, 'head cannot be reached; dialled again'),
        onFatal: (error) => node.#headEnded(error),
      });
      // The first greeting came before there was a link to send it on.
      node.#greet(true);
      for (const event of node.#early.splice(0)) node.#send(event);
      if (spool && node.#isPatient) {
        const heed = (): void => node.#health.set('spool', spool.trouble);
        node.#stopWatchingSpool = spool.onChange(heed);
        heed();
      }
      return node;
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The tasks that are here: those that wait, run or are on their way to the store, of this and of earlier lives. */
  get held(): readonly (HeldTask & { readonly runId: string })[] {
    return [...this.#runs].flatMap(([runId, { executor }]) => executor.held.map((task) => ({ ...task, runId })));
  }

  /**
   * Gets ready to stop: gives back what has not started, lets what runs end within `graceMs`, ships all that the store
   * takes within a moment, and tells the head. Dispose of the node afterwards.
   */
  async drain(graceMs: number): Promise<void> {
    // First of all the head must hand out nothing more.
    this.#health.set('leaving', 'leaving: the node is being stopped');
    const runs = [...this.#runs.values()];
    for (const { executor } of runs) executor.drain(graceMs);
    await Promise.all(runs.map(({ executor }) => executor.drained()));
    const shipped = Promise.all([this.#recovered, ...[...this.#runs.keys()].map((runId) => this.#close(runId))]);
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, SHIP_MS);
    await Promise.race([shipped, patience.promise]);
    clearTimeout(timer);
    this.#send({ $case: 'leaving', value: { reason: 'stopped' } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { spool, places } = this.#options;
    this.#stopping.abort(new Error('the node is stopping'));
    await Promise.allSettled(this.#opening.values());
    await Promise.all([...this.#runs.values()].map(({ executor }) => executor.destroy()));
    await Promise.allSettled(this.#closing.values());
    await this.#recovered;
    await this.#link?.[Symbol.asyncDispose]();
    this.#health[Symbol.dispose]();
    this.#cutOff[Symbol.dispose]();
    this.#stopWatchingSpool?.();
    await this.#host.stop();
    this.#secrets[Symbol.dispose]();
    await this.#sql.stop();
    await places.locks[Symbol.asyncDispose]();
    const isOwing = spool !== undefined && spool.bytes > 0;
    await spool?.[Symbol.asyncDispose]();
    // What the spool owes may lie in a task's scratch: the next life ships it and sweeps.
    if (!isOwing) await rm(this.#workDir, { recursive: true, force: true });
  }

  /** A daemon waits for its store as for its head; inside a command somebody waits for the command. */
  get #isPatient(): boolean {
    return this.#options.spool !== undefined && this.#options.reconnect === true;
  }

  #send(event: Event): void {
    if (this.#link) this.#link.send(event);
    else this.#early.push(event);
  }

  #headEnded(error: SkeinError): void {
    if (!this.#stopping.signal.aborted) this.#options.onHeadLost?.(error);
  }

  #cut(error: SkeinError | undefined): void {
    if (this.#stopping.signal.aborted) return;
    this.#options.log.warn({ error: error && describeError(error) }, 'link to the head cut; what runs goes on');
    const times = [this.#lostAfterMs, ...[...this.#runs.values()].map((run) => run.lostAfterMs ?? Infinity)];
    this.#cutOff.begin(this.#lostAfterMs > 0 ? Math.min(...times) : 0);
  }

  /** A head that does not know this node learns first what it holds. */
  #greet(isNew: boolean): void {
    if (!this.#link) return;
    if (isNew) {
      // In front: an inventory of a new life frees what its last one held.
      this.#references.tellAgain();
      const open = [...this.#runs.keys()];
      const keyed = open.filter((runId) => this.#hasSecrets(runId));
      const pages = inventoryOf(this.held, this.#recovery, open, keyed);
      for (const value of pages) this.#send({ $case: 'inventory', value });
    }
    this.#cutOff.end();
    this.#tellActors();
    this.#health.tellNow();
    this.#options.log.info({ address: this.#options.address, isNew }, 'head reached');
  }

  #obey(order: Order): void {
    switch (order.$case) {
      case 'welcome':
        return;
      case 'openRun':
        this.#secrets.take(order.value.runId, order.value.secrets);
        return this.#open(order.value.runId);
      case 'batch': {
        const { runId, database, tasks, grantEpoch, reference } = order.value;
        const place = reference?.shard ? reference : undefined;
        const run = this.#runs.get(runId);
        const fresh = tasks.filter((task) => this.#isFresh(runId, task));
        if (run) return run.executor.add({ database, tasks: fresh, grantEpoch, reference: place });
        this.#options.log.warn({ run: runId, database }, 'batch of a run that is not open here: it goes back');
        for (const task of fresh) {
          this.#send({ $case: 'taskEnded', value: taskEnded(runId, task, { kind: 'returned' }) });
        }
        return;
      }
      case 'inspect':
        return this.#inspect(order.value);
      case 'drain':
        return this.#runs.get(order.value.runId)?.executor.drain(order.value.graceMs);
      case 'closeRun':
        return void this.#close(order.value.runId);
      case 'revoke':
        return this.#runs.get(order.value.runId)?.executor.revoke(order.value.tasks);
      case 'steal': {
        const { runId, database, count } = order.value;
        return this.#runs.get(runId)?.executor.steal(database, count);
      }
      case 'referenceAvailable': {
        const { runId, database, place } = order.value;
        if (!place?.shard) return;
        return this.#runs.get(runId)?.executor.announce({ database, grantEpoch: 0, reference: place });
      }
    }
  }

  #inspect(request: Inspect): void {
    const { spool, recentLog } = this.#options;
    this.#send({ $case: 'inspected', value: inspectedOf(request, { runs: this.#runs, spool, recentLog }) });
  }

  /** Whether no earlier life of this node has started the attempt. */
  #isFresh(runId: string, task: { readonly instanceId: string; readonly attempt: number }): boolean {
    const { instanceId, attempt } = task;
    const fate = this.#recovery?.fateOf(runId, task);
    if (fate === undefined) return true;
    this.#options.log.warn(
      { run: runId, instance: instanceId, attempt, fate },
      'attempt of an earlier life; it is dropped',
    );
    if (fate === 'lost') {
      const end = { kind: 'lost', error: 'actor-lost' } as const;
      this.#send({ $case: 'taskEnded', value: taskEnded(runId, task, end) });
    }
    return false;
  }

  #open(runId: string): void {
    if (this.#opening.has(runId)) return;
    // One that is open says so again: the head that asks may be another one.
    if (this.#runs.has(runId) && !this.#closing.has(runId)) return this.#sayOpened(runId);
    const opened = this.#openNow(runId).finally(() => this.#opening.delete(runId));
    this.#opening.set(runId, opened);
  }

  #sayOpened(runId: string): void {
    this.#send({ $case: 'runOpened', value: { runId, hasSecrets: this.#hasSecrets(runId) } });
  }

  /** Whether this life of the node has all that the run's manifest names. */
  #hasSecrets(runId: string): boolean {
    const names = this.#runs.get(runId)?.secretNames ?? [];
    return this.#secrets.of(runId).missing(names).length === 0;
  }

  async #openNow(runId: string): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#closing.get(runId);
      const secrets = (): Secrets => this.#secrets.of(runId);
      const run = await openRun(this.#hosting(), runId, this.#reports(runId), secrets);
      run.executor.isPaused = this.#health.trouble !== '';
      this.#runs.set(runId, run);
      this.#sayOpened(runId);
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      log.error({ run: runId, error: describeError(error) }, 'run cannot be opened here');
      this.#send({ $case: 'runFailed', value: { runId, error: describeError(error) } });
    }
  }

  /** Ships what is left of a run and says so. Once, however often it is asked. */
  #close(runId: string): Promise<void> {
    const known = this.#closing.get(runId);
    if (known) return known;
    const closed = this.#closeNow(runId).finally(() => this.#closing.delete(runId));
    this.#closing.set(runId, closed);
    return closed;
  }

  async #closeNow(runId: string): Promise<void> {
    const { log } = this.#options;
    let helperFailures: Record<string, number> = {};
    try {
      await this.#opening.get(runId);
      helperFailures = { ...(await this.#runs.get(runId)?.close()) };
    } catch (error) {
      log.error({ run: runId, error: describeError(error) }, 'run not closed in order');
    }
    // What could not be shipped before the node stopped is not said to be closed.
    if (this.#stopping.signal.aborted) return;
    this.#runs.delete(runId);
    // It may be about to be opened again, with what came with that.
    if (!this.#opening.has(runId)) this.#secrets.forget(runId);
    this.#actors.delete(runId);
    this.#references.forget(runId);
    this.#send({ $case: 'runClosed', value: { runId, helperFailures } });
  }

  #hosting(): RunHosting {
    const { name: node, store, log, places, spool, actors } = this.#options;
    const locks = lockServices(places.locks, (wait) => log.info(wait, 'an actor waits for a lock'));
    return {
      node,
      store,
      log,
      places,
      spool,
      isPatient: this.#isPatient,
      runtime: this.#host,
      slots: this.#slots,
      actors,
      services: { ...locks, ...this.#sql.services() },
      workDir: this.#workDir,
      refusesUserCode: this.#options.refusesUserCode === true,
      signal: this.#stopping.signal,
      onStoreTrouble: (trouble) => this.#health.set('store', trouble),
    };
  }

  #reports(runId: string): NodeRunReports {
    return {
      started: ({ instanceId, attempt }) => this.#send({ $case: 'taskStarted', value: { runId, instanceId, attempt } }),
      ended: (task, end) => this.#send({ $case: 'taskEnded', value: taskEnded(runId, task, end) }),
      actorsChanged: (live, pending) => {
        this.#actors.set(runId, { live, pending });
        if (!this.#areActorsTold) return;
        this.#areActorsTold = false;
        setImmediate(() => this.#tellActors());
      },
      databaseFailed: (database, error) =>
        this.#send({ $case: 'databaseFailed', value: { runId, database, error: describeError(error) } }),
      referenceReady: (reference, settle) => this.#referenceReady(runId, reference, settle),
      helpersFailed: (counts) => this.#helpersFailed(runId, counts),
    };
  }

  #helpersFailed(runId: string, counts: Readonly<Record<string, number>>): void {
    this.#send({ $case: 'helperFailures', value: { runId, counts: { ...counts } } });
  }

  #referenceReady(
    runId: string,
    { epoch: grantEpoch, ...reference }: ReadyReference,
    settle: () => void,
    isOver = false,
  ): void {
    this.#options.log.info({ run: runId, grantEpoch, ...reference }, 'reference ready');
    this.#references.tell({ runId, grantEpoch, ...reference }, settle, isOver);
  }

  #tellActors(): void {
    this.#areActorsTold = true;
    const counts = [...this.#actors.values()];
    const sum = (pick: (of: { live: number; pending: number }) => number): number =>
      counts.reduce((total, of) => total + pick(of), 0);
    const value = { live: sum(({ live }) => live), pending: sum(({ pending }) => pending) };
    this.#send({ $case: 'actorsChanged', value });
  }

  #setPaused(isPaused: boolean): void {
    for (const { executor } of this.#runs.values()) executor.isPaused = isPaused;
  }

  /** Ships what earlier lives left, then removes their folders. */
  async #recover(): Promise<void> {
    const { workDir, spool, log } = this.#options;
    if (!spool) return;
    await this.#recovery?.run();
    if (this.#stopping.signal.aborted) return;
    const names = await readdir(workDir).catch(() => []);
    const stale = names.map((name) => join(workDir, name)).filter((path) => path !== this.#workDir);
    await Promise.all(stale.map((path) => rm(path, { recursive: true, force: true }))).catch((error: unknown) =>
      log.warn({ error: describeError(error) }, 'folders of an earlier life could not be removed'),
    );
  }
}
