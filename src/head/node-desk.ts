/**
 * The listener of `node-sessions.ts`: who comes, who is cut off, who leaves, and what they hold. It keeps the roster and
 * makes runs and nodes meet (DESIGN "Head life").
 *
 * Not here: what nodes say of a run (`run-words.ts`), when silence is death (`silence.ts`).
 *
 * Invariants: N1 a node has opened a run before it gets any of it, in this life of it. N2 proof of death (a new boot id, a
 * farewell) counts at once. N3 a node that has a run open which nobody runs here is told to close it.
 */
import type { HeldTask, Inventory } from '../gen/skein/v1/node.ts';
import { describeError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import type { ObjectStore } from '../store/port.ts';
import type { ActiveRun } from './active-run.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Grants } from './grants.ts';
import type { Inspections } from './inspection.ts';
import type { Event, NodeListener, NodeSession, WelcomeFacts } from './node-session.ts';
import { reconcile } from './reconcile.ts';
import type { NodeRecord, Roster } from './roster.ts';
import type { TaskKey } from './run-ledger.ts';
import type { NodeWord, RunTable } from './run-table.ts';
import { offer, openOrder, type RunWords } from './run-words.ts';
import { revoke, sendRevoke, type Silence } from './silence.ts';

export interface NodeDeskOptions {
  readonly store: ObjectStore;
  readonly log: Logger;
  readonly roster: Roster;
  readonly runs: RunTable;
  readonly grants: Grants;
  readonly dispatcher: Dispatcher;
  readonly words: RunWords;
  readonly silence: Silence;
  readonly inspections: Inspections;
  /** Whether runs may still be adopted without anybody asking: this head looks through the store. */
  readonly isLooking: () => boolean;
  readonly welcome: () => WelcomeFacts;
  /** Forgets a session for good. */
  readonly drop: (session: NodeSession) => void;
  readonly signal: AbortSignal;
}

export class NodeDesk implements NodeListener {
  readonly #options: NodeDeskOptions;

  constructor(options: NodeDeskOptions) {
    this.#options = options;
  }

  welcome(): WelcomeFacts {
    return this.#options.welcome();
  }

  refused(node: string, error: Error): void {
    this.#options.log.warn({ node, error: error.message }, 'node refused');
  }

  joined(session: NodeSession): void {
    const { roster, runs, grants, log } = this.#options;
    const { record, renamed } = roster.join(session);
    const { node, bootId, dataDirId, hello } = session;
    log.info({ node, bootId, dataDirId, version: hello.version, isNewLife: record.isNewLife }, 'node joined');
    for (const run of runs.active()) {
      if (renamed !== undefined) run.nodeGone(renamed, `node ${renamed} came back as ${node}`);
      run.forgetOpen(node);
      // Until the new life has said what its last one left.
      if (record.isNewLife) run.owes(node);
    }
    if (renamed !== undefined) grants.release(renamed);
  }

  cut(session: NodeSession): void {
    const { roster, silence, log, drop } = this.#options;
    const record = this.#recordOf(session);
    if (session.state === 'leaving') {
      log.info({ node: session.node }, 'node left');
      drop(session);
      if (record) silence.lose(record, `node ${session.node} left`);
      return;
    }
    log.warn({ node: session.node }, 'node silent');
    roster.tick();
    if (record) record.silentMs = 0;
    silence.watch();
  }

  resumed(session: NodeSession): void {
    const record = this.#recordOf(session);
    this.#options.log.info({ node: session.node, silentMs: Math.round(record?.silentMs ?? 0) }, 'node is back');
    if (record) record.silentMs = 0;
    for (const run of this.#options.runs.active()) offer(run, session);
    this.#options.dispatcher.schedule();
  }

  event(session: NodeSession, event: Event): void {
    const { node } = session;
    const { log, runs, words, dispatcher } = this.#options;
    const record = this.#recordOf(session);
    switch (event.$case) {
      case 'hello':
        return;
      case 'actorsChanged':
        session.actorsLive = event.value.live;
        session.actorsPending = event.value.pending;
        return;
      case 'inspected':
        return this.#options.inspections.answered(node, event.value);
      case 'health':
        this.#healthChanged(record, event.value);
        break;
      case 'inventory':
        if (record) this.#inventoryPage(record, event.value);
        break;
      case 'leaving':
        log.info({ node, reason: event.value.reason }, 'node leaves');
        for (const run of runs.active()) run.nodeGone(node, `node ${node} left`);
        break;
      default:
        return words.said(event.value.runId, { node, session, event });
    }
    dispatcher.schedule();
  }

  /**
   * A run is active from now on: nodes open it, and what they already said of it counts.
   * @param boots the lives of nodes that were handed tasks of it by an earlier head, by name
   */
  enter(run: ActiveRun, early: readonly NodeWord[], boots: ReadonlyMap<string, string>): void {
    const { roster, words, silence, dispatcher } = this.#options;
    for (const record of roster.list()) {
      const { session } = record;
      if (!session) continue;
      const held = record.unclaimed.get(run.runId) ?? new Map<string, HeldTask>();
      const wasOpen = record.unclaimedRuns.delete(run.runId);
      record.unclaimed.delete(run.runId);
      const boot = boots.get(record.name) ?? '';
      const isNewLife = boot !== '' && boot !== record.bootId;
      if (record.isInventoried) this.#reconcile(record, run, held, isNewLife);
      if (wasOpen) run.nodeOpened(record.name, record.keyedRuns.has(run.runId));
      if (record.owedRuns.has(run.runId)) run.owes(record.name);
      else if (record.isInventoried) run.paid(record.name);
      if (!wasOpen && session.state === 'connected') session.send(openOrder(run));
      else if (session.state === 'connected') offer(run, session);
    }
    for (const word of early) {
      const isOver = roster.get(word.node)?.session !== word.session;
      if (!(isOver && word.event.$case === 'runOpened')) words.tell(run, word);
    }
    run.advance();
    silence.watch();
    dispatcher.schedule();
  }

  /** The store has been looked through: what nodes have open and nobody runs is closed there. */
  closeUnclaimed(): void {
    const { roster, runs } = this.#options;
    runs.dropEarly();
    for (const record of roster.list()) for (const runId of record.unclaimedRuns) this.#closeAt(record, runId);
  }

  /** Nothing is concluded from a part of it: what another page names would count as gone. */
  #inventoryPage(record: NodeRecord, page: Inventory): void {
    record.inventoryPages.push(page);
    if (page.hasMore) return;
    const pages = record.inventoryPages;
    record.inventoryPages = [];
    const tasks = pages.flatMap((each) => each.tasks);
    this.#inventoried(record, { ...page, tasks });
  }

  #inventoried(record: NodeRecord, inventory: Inventory): void {
    const { roster, runs, grants, log, isLooking } = this.#options;
    const { name } = record;
    log.info({ node: name, tasks: inventory.tasks.length, runs: inventory.openRuns.length }, 'inventory');
    record.isInventoried = true;
    // Not before: a new life says first what became of its last one's grants.
    grants.joined(name);
    roster.keepInventory(record, inventory, (runId) => runs.get(runId) !== undefined);
    const byRun = Map.groupBy(inventory.tasks, ({ runId }) => runId);
    for (const run of runs.active()) {
      const held = new Map((byRun.get(run.runId) ?? []).map((task) => [task.instanceId, task]));
      this.#reconcile(record, run, held, record.isNewLife);
      if (inventory.openRuns.includes(run.runId)) {
        run.nodeOpened(name, inventory.keyedRuns.includes(run.runId));
      } else {
        run.nodeClosed(name, {});
      }
      if (record.session) offer(run, record.session);
      if (inventory.owedRuns.includes(run.runId)) run.owes(name);
      else run.paid(name);
    }
    if (!isLooking()) this.closeUnclaimed();
  }

  #reconcile(record: NodeRecord, run: ActiveRun, held: ReadonlyMap<string, HeldTask>, isNewLife: boolean): void {
    const { store, log, signal, dispatcher } = this.#options;
    const node = record.name;
    const take = (tasks: readonly TaskKey[]): void => revoke(record, run, tasks);
    reconcile({ store, log, run, node, held, isNewLife, revoke: take, signal }).then(
      () => {
        run.advance();
        dispatcher.schedule();
      },
      (error: unknown) => log.error({ run: run.runId, node, error: describeError(error) }, 'inventory not reconciled'),
    );
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
    const tasks = Array.from(record.unclaimed.get(runId)?.values() ?? [], ({ instanceId, attempt }) => ({
      instanceId,
      attempt,
    }));
    record.unclaimedRuns.delete(runId);
    record.unclaimed.delete(runId);
    log.info({ node: record.name, run: runId, tasks: tasks.length }, 'nobody runs this here: closed');
    sendRevoke(record.session, runId, tasks);
    record.session.send({ $case: 'closeRun', value: { runId } });
  }

  #recordOf(session: NodeSession): NodeRecord | undefined {
    const record = this.#options.roster.get(session.node);
    return record?.session === session ? record : undefined;
  }
}
