/**
 * What nodes say, and what becomes of it: the listener of `node-sessions.ts`. It keeps the roster, tells the runs, and
 * tells silence from death (DESIGN rule 2, "Head life").
 *
 * Invariants: N1 a node has opened a run before it gets any of it, in this life of it. N2 proof of death (a new boot id, a
 * farewell) counts at once; silence only after `lostAfterMs`, by our own monotonic clock, counted from this head's start
 * for nodes that have not dialled in yet. N3 what was given away is revoked in the same session, so a node that comes back
 * drops it before it does anything else.
 */
import type { HeldTask, Inventory, TaskEnded } from '../gen/skein/v1/node.ts';
import { Outcome } from '../gen/skein/v1/node.ts';
import type { Logger } from '../kernel/log.ts';
import type { ObjectStore } from '../store/port.ts';
import type { ActiveRun } from './active-run.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Grants } from './grants.ts';
import type { Event, NodeListener, NodeSession } from './node-session.ts';
import { reconcile } from './reconcile.ts';
import type { NodeRecord, Roster } from './roster.ts';
import type { TaskKey } from './run-ledger.ts';
import type { NodeWord, RunTable } from './run-table.ts';

export interface NodeDeskOptions {
  readonly store: ObjectStore;
  readonly log: Logger;
  readonly roster: Roster;
  readonly runs: RunTable;
  readonly grants: Grants;
  readonly dispatcher: Dispatcher;
  readonly lostAfterMs: number;
  /** How often a node may fail to open a run before it is not asked again. */
  readonly openTries: number;
  /** Whether runs may still be adopted without anybody asking: this head looks through the store. */
  readonly isLooking: () => boolean;
  /** Whether this head acts. */
  readonly mayAct: () => boolean;
  readonly welcome: () => { readonly headEpoch: number; readonly storeUrl: string };
  /** Forgets a session for good. */
  readonly drop: (session: NodeSession) => void;
  readonly signal: AbortSignal;
}

/** A node that could not open a run is asked again after this. */
const OPEN_AGAIN_MS = 5_000;
/** How often silence is counted. */
const TICK_MS = 200;

export class NodeDesk implements NodeListener {
  readonly #options: NodeDeskOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: NodeDeskOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => clearInterval(this.#timer), { once: true });
  }

  welcome(): { readonly headEpoch: number; readonly storeUrl: string } {
    return this.#options.welcome();
  }

  refused(node: string, error: Error): void {
    this.#options.log.warn({ node, error: error.message }, 'node refused');
  }

  joined(session: NodeSession): void {
    const { roster, runs, log } = this.#options;
    const { record, renamed } = roster.join(session);
    const { node, bootId, dataDirId, hello } = session;
    log.info({ node, bootId, dataDirId, version: hello.version, isNewLife: record.isNewLife }, 'node joined');
    for (const run of runs.active()) {
      if (renamed !== undefined) this.#forget(run, renamed, `node ${renamed} came back as ${node}`);
      run.forgetOpen(node);
    }
    this.#options.grants.joined(node);
    if (renamed !== undefined) this.#options.grants.release(renamed);
  }

  cut(session: NodeSession): void {
    const { roster, log, drop } = this.#options;
    const record = this.#recordOf(session);
    if (session.state === 'leaving') {
      log.info({ node: session.node }, 'node left');
      drop(session);
      if (record) this.#lose(record, `node ${session.node} left`);
      return;
    }
    log.warn({ node: session.node }, 'node silent');
    if (record) record.silentMs = 0;
    roster.tick();
    this.watchSilence();
  }

  resumed(session: NodeSession): void {
    const record = this.#recordOf(session);
    this.#options.log.info({ node: session.node, silentMs: Math.round(record?.silentMs ?? 0) }, 'node is back');
    if (record) record.silentMs = 0;
    for (const run of this.#options.runs.active()) this.#offer(run, session);
    this.#options.dispatcher.schedule();
  }

  event(session: NodeSession, event: Event): void {
    const { node } = session;
    const record = this.#recordOf(session);
    switch (event.$case) {
      case 'hello':
        return;
      case 'actorsChanged':
        session.actorsLive = event.value.live;
        session.actorsPending = event.value.pending;
        return;
      case 'health':
        this.#healthChanged(record, event.value);
        break;
      case 'inventory':
        if (record) this.#inventoried(record, event.value);
        break;
      case 'leaving':
        this.#options.log.info({ node, reason: event.value.reason }, 'node leaves');
        for (const run of this.#options.runs.active()) this.#forget(run, node, `node ${node} left`);
        break;
      default:
        this.#ofRun(event.value.runId, { node, event });
        return;
    }
    this.#options.dispatcher.schedule();
  }

  /**
   * A run is active from now on: nodes open it, and what they already said of it counts.
   * @param boots the lives of nodes that were handed tasks of it by an earlier head, by name
   */
  enter(run: ActiveRun, early: readonly NodeWord[], boots: ReadonlyMap<string, string>): void {
    const { roster } = this.#options;
    for (const record of roster.list()) {
      const { session } = record;
      if (!session) continue;
      const held = record.unclaimed.get(run.runId) ?? new Map<string, HeldTask>();
      const wasOpen = record.unclaimedRuns.delete(run.runId);
      record.unclaimed.delete(run.runId);
      const boot = boots.get(record.name) ?? '';
      const isNewLife = boot !== '' && boot !== record.bootId;
      if (record.isInventoried) this.#reconcile(record, run, held, isNewLife);
      if (wasOpen) run.nodeOpened(record.name);
      else if (session.state === 'connected') session.send({ $case: 'openRun', value: { runId: run.runId } });
    }
    for (const word of early) this.#told(run, word);
    run.advance();
    this.watchSilence();
    this.#options.dispatcher.schedule();
  }

  /** The store has been looked through: what nodes have open and nobody runs is closed there. */
  closeUnclaimed(): void {
    const { roster, runs } = this.#options;
    runs.dropEarly();
    for (const record of roster.list()) for (const runId of record.unclaimedRuns) this.#closeAt(record, runId);
  }

  /** Counts silence as long as anybody is silent. */
  watchSilence(): void {
    if (this.#timer || this.#options.signal.aborted) return;
    this.#options.roster.tick();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  #tick(): void {
    const { roster, runs, lostAfterMs, mayAct } = this.#options;
    const silent = roster.tick();
    if (silent.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    if (!mayAct()) return;
    for (const record of silent) {
      const { name, silentMs } = record;
      const cause = `node ${name}: silent for ${Math.round(silentMs / 1000)} s`;
      let isAwaited = false;
      for (const run of runs.active()) {
        if (run.ledger.heldBy(name).count === 0 && !run.isOpenAt(name)) continue;
        if (silentMs >= (run.manifest.lost_after_ms ?? lostAfterMs)) {
          this.#options.grants.release(name, run.manifest);
          this.#revoke(record, run, this.#forget(run, name, cause));
          this.#options.dispatcher.schedule();
        } else {
          isAwaited = true;
        }
      }
      if (silentMs >= lostAfterMs && !isAwaited) this.#lose(record, cause);
    }
  }

  /** The node is lost, for every run and for good: it may come back as a new session. */
  #lose(record: NodeRecord, cause: string): void {
    const { roster, runs, grants, log, drop, dispatcher } = this.#options;
    log.warn({ node: record.name, cause }, 'node lost');
    for (const run of runs.active()) this.#forget(run, record.name, cause);
    grants.release(record.name);
    roster.remove(record);
    if (record.session) drop(record.session);
    dispatcher.schedule();
  }

  #forget(run: ActiveRun, node: string, cause: string): TaskKey[] {
    return run.nodeGone(node, cause);
  }

  #revoke({ session }: NodeRecord, { runId }: ActiveRun, tasks: readonly TaskKey[]): void {
    if (tasks.length > 0) session?.send({ $case: 'revoke', value: { runId, tasks: [...tasks] } });
  }

  #inventoried(record: NodeRecord, inventory: Inventory): void {
    const { roster, runs, log, isLooking } = this.#options;
    const { name } = record;
    log.info({ node: name, tasks: inventory.tasks.length, runs: inventory.openRuns.length }, 'inventory');
    record.isInventoried = true;
    roster.keepInventory(record, inventory, (runId) => runs.get(runId) !== undefined);
    const byRun = Map.groupBy(inventory.tasks, ({ runId }) => runId);
    for (const run of runs.active()) {
      const held = new Map((byRun.get(run.runId) ?? []).map((task) => [task.instanceId, task]));
      this.#reconcile(record, run, held);
      if (inventory.openRuns.includes(run.runId)) {
        run.nodeOpened(name);
      } else {
        run.nodeClosed(name, {});
        if (record.session) this.#offer(run, record.session);
      }
    }
    if (!isLooking()) this.closeUnclaimed();
  }

  #reconcile(
    record: NodeRecord,
    run: ActiveRun,
    held: ReadonlyMap<string, HeldTask>,
    isNewLife = record.isNewLife,
  ): void {
    const { store, log, signal, dispatcher } = this.#options;
    const node = record.name;
    const revoke = (tasks: readonly TaskKey[]): void => this.#revoke(record, run, tasks);
    void reconcile({ store, log, run, node, held, isNewLife, revoke, signal }).then(() => {
      run.advance();
      dispatcher.schedule();
    });
  }

  /** Asks the node to open a run that it does not have open. */
  #offer(run: ActiveRun, session: NodeSession): void {
    if (run.phase.kind !== 'running' || run.isOpenAt(session.node)) return;
    session.send({ $case: 'openRun', value: { runId: run.runId } });
  }

  /** Something about a run: told to it, or kept until it is here, or of a run that nobody knows. */
  #ofRun(runId: string, word: NodeWord): void {
    const { runs, isLooking } = this.#options;
    const run = runs.get(runId);
    if (run) this.#told(run, word);
    else if (runs.isKnown(runId) || isLooking()) runs.keepEarly(runId, word);
  }

  #told(run: ActiveRun, { node, event }: NodeWord): void {
    const { dispatcher } = this.#options;
    switch (event.$case) {
      case 'taskStarted':
        run.taskStarted(event.value, node, Date.now());
        return;
      case 'taskEnded':
        this.#taskEnded(run, node, event.value);
        break;
      case 'runOpened':
        run.nodeOpened(node);
        break;
      case 'runClosed':
        run.nodeClosed(node, event.value.helperFailures);
        break;
      case 'runFailed':
        this.#runFailed(run, node, event.value.error);
        break;
      case 'referenceReady':
        this.#referenceReady(run, node, event.value);
        break;
      default:
        return;
    }
    dispatcher.schedule();
  }

  #runFailed(run: ActiveRun, node: string, error: string): void {
    const { grants, roster, openTries } = this.#options;
    grants.release(node, run.manifest);
    const connected = roster.connected().map(({ name }) => name);
    if (!run.nodeFailed(node, error, connected, openTries)) return;
    // What it needs may be there later: the store was away, or a disk was full.
    setTimeout(() => {
      const session = roster.get(node)?.session;
      if (session?.state === 'connected') this.#offer(run, session);
    }, OPEN_AGAIN_MS).unref();
  }

  #taskEnded(run: ActiveRun, node: string, ended: TaskEnded): void {
    const { dispatcher, grants, log } = this.#options;
    const task = run.ledger.get(ended.instanceId);
    run.taskEnded(node, ended);
    if (!task || ended.outcome !== Outcome.RETURNED) return;
    dispatcher.returned(run, node, task.database, ended.error);
    if (ended.error && grants.permit(run.manifest, task.database, node).kind === 'open') {
      // It had no use for the reference that it was told of.
      log.warn({ run: run.runId, node, database: task.database, error: ended.error }, 'reference not usable there');
      grants.forget(run.manifest, task.database);
    }
  }

  #referenceReady(
    run: ActiveRun,
    node: string,
    said: { database: string; grantEpoch: number; shard: string; digest: string; wasEncoded: boolean },
  ): void {
    const { grants, roster } = this.#options;
    if (!grants.ready(run.manifest, node, said)) return;
    this.#options.log.info({ run: run.runId, node, ...said }, 'reference ready');
    const place = said.shard ? { runId: run.runId, shard: said.shard } : undefined;
    const value = { runId: run.runId, database: said.database, place };
    for (const { name, session } of roster.connected()) {
      if (name !== node && run.ledger.heldBy(name).databases.has(said.database)) {
        session?.send({ $case: 'referenceAvailable', value });
      }
    }
  }

  #healthChanged(record: NodeRecord | undefined, health: NodeRecord['health']): void {
    if (!record) return;
    if (record.health.trouble !== health.trouble) {
      this.#options.log.warn({ node: record.name, trouble: health.trouble || 'over' }, 'node health');
    }
    record.health = health;
  }

  #closeAt(record: NodeRecord, runId: string): void {
    const { runs, log } = this.#options;
    if (runs.isKnown(runId) || !record.session) return;
    const held = [...(record.unclaimed.get(runId)?.values() ?? [])];
    record.unclaimedRuns.delete(runId);
    record.unclaimed.delete(runId);
    log.info({ node: record.name, run: runId }, 'nobody runs this here: closed');
    if (held.length > 0) {
      const tasks = held.map(({ instanceId, attempt }) => ({ instanceId, attempt }));
      record.session.send({ $case: 'revoke', value: { runId, tasks } });
    }
    record.session.send({ $case: 'closeRun', value: { runId } });
  }

  #recordOf(session: NodeSession): NodeRecord | undefined {
    const record = this.#options.roster.get(session.node);
    return record?.session === session ? record : undefined;
  }
}
