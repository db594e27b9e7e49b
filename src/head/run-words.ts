/**
 * What nodes say of one run, and what it means for the run, the grants and the dispatch.
 *
 * Invariants: W1 a word about a run that is being adopted is kept for it; one about a run that nobody knows is dropped: its
 * rows are in the store. A node that cannot work on one database goes on with the others. W2 a reference that a node could not use is not offered again.
 */
import { Outcome, type DatabaseFailed, type ReferenceReady, type TaskEnded } from '../gen/skein/v1/node.ts';
import type { Logger } from '../kernel/log.ts';
import type { ActiveRun } from './active-run.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Grants } from './grants.ts';
import type { NodeSession, Order } from './node-session.ts';
import type { Roster } from './roster.ts';
import type { NodeWord, RunTable } from './run-table.ts';

export interface RunWordsOptions {
  readonly log: Logger;
  readonly roster: Roster;
  readonly runs: RunTable;
  readonly grants: Grants;
  readonly dispatcher: Dispatcher;
  /** How often a node may fail to open a run before it is not asked again. */
  readonly openTries: number;
  /** Whether runs may still be adopted without anybody asking: this head looks through the store. */
  readonly isLooking: () => boolean;
}

/** A node that could not open a run is asked again after this. */
const OPEN_AGAIN_MS = 5_000;
/** One that has used its tries up is asked for a database no sooner than this: others may have left meanwhile. */
const GIVEN_UP_MS = 60_000;

export class RunWords {
  readonly #options: RunWordsOptions;

  constructor(options: RunWordsOptions) {
    this.#options = options;
  }

  /** Told to the run, or kept until it is here. */
  said(runId: string, word: NodeWord): void {
    const { runs, isLooking } = this.#options;
    const run = runs.get(runId);
    if (run) this.tell(run, word);
    else if (runs.isKnown(runId) || isLooking()) runs.keepEarly(runId, word);
  }

  tell(run: ActiveRun, { node, event }: NodeWord): void {
    switch (event.$case) {
      case 'taskStarted':
        run.taskStarted(event.value, node, Date.now());
        return;
      case 'taskEnded':
        this.#taskEnded(run, node, event.value);
        break;
      case 'runOpened':
        run.nodeOpened(node, event.value.hasSecrets);
        break;
      case 'runClosed':
        run.nodeClosed(node, event.value.helperFailures);
        break;
      case 'helperFailures':
        run.helpersFailed(event.value.counts);
        break;
      case 'shipped':
        run.paid(node);
        break;
      case 'runFailed':
        this.#runFailed(run, node, event.value.error);
        break;
      case 'databaseFailed':
        this.#databaseFailed(run, node, event.value);
        break;
      case 'referenceReady':
        this.#referenceReady(run, node, event.value);
        break;
      default:
        return;
    }
    this.#options.dispatcher.schedule();
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

  #runFailed(run: ActiveRun, node: string, error: string): void {
    const { grants, roster, openTries } = this.#options;
    grants.release(node, run.manifest);
    const connected = roster.connected().map(({ name }) => name);
    if (!run.nodeFailed(node, error, connected, openTries)) return;
    // What it needs may be there later: the store was away, or a disk was full.
    setTimeout(() => {
      const session = roster.get(node)?.session;
      if (session?.state === 'connected') offer(run, session);
    }, OPEN_AGAIN_MS).unref();
  }

  #databaseFailed(run: ActiveRun, node: string, { database, error }: DatabaseFailed): void {
    const { grants, roster, dispatcher, openTries } = this.#options;
    grants.release(node, run.manifest, database);
    const connected = roster.connected().map(({ name }) => name);
    const mayRetry = run.databaseFailed(node, database, error, connected, openTries);
    dispatcher.pause(run, node, database, mayRetry ? OPEN_AGAIN_MS : GIVEN_UP_MS);
  }

  #referenceReady(run: ActiveRun, node: string, said: ReferenceReady): void {
    const { grants, roster, log } = this.#options;
    if (!grants.ready(run.manifest, node, said)) return;
    const { runId } = run;
    const { database, shard } = said;
    log.info({ run: runId, node, database, shard, epoch: said.grantEpoch }, 'reference ready');
    const place = shard ? { runId, shard } : undefined;
    for (const { name, session } of roster.connected()) {
      if (name === node || !run.ledger.heldBy(name).databases.has(database)) continue;
      session?.send({ $case: 'referenceAvailable', value: { runId, database, place } });
    }
  }
}

/** Asks a node to open a run that it does not have open, or not with the secrets that are here. */
export function offer(run: ActiveRun, session: NodeSession): void {
  const { node } = session;
  if (run.phase.kind !== 'running' || run.isReadyAt(node) || (run.isOpenAt(node) && run.secrets.isEmpty)) return;
  session.send(openOrder(run));
}

/** The order that opens `run` at a node: the one thing of the head's that carries secrets (W-13). */
export function openOrder(run: ActiveRun): Order {
  return { $case: 'openRun', value: { runId: run.runId, secrets: run.secrets.reveal() } };
}
