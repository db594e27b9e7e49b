/**
 * Takes a run on: its lease, what the store says of it, its heartbeat, and the nodes whose word it waits for.
 *
 * Invariants: S1 the lease of the run is held before anything of it is read that another head might change. S2 dispatch of
 * an adopted run waits for the nodes that its status names, for a moment at most: what they hold is theirs. S3 the rows are
 * looked at once more when all have spoken: one that was stored after the first look, by a node that died before it could
 * say so, is in nobody's inventory.
 */
import pLimit from 'p-limit';

import { describeError, SkeinError } from '../kernel/errors.ts';
import { failPoint } from '../kernel/failpoint.ts';
import type { Logger } from '../kernel/log.ts';
import { sleep } from '../kernel/retry.ts';
import { Secrets } from '../kernel/secrets.ts';
import { canonicalRow } from '../run/canonical-row.ts';
import { describeHolder, type Lease, type LeaseOwner, type LeaseTimes } from '../run/lease.ts';
import { databasesOf, readManifest, type Manifest } from '../run/manifest.ts';
import { storeRows } from '../run/row-source.ts';
import { acquireRunLease } from '../run/run-lease.ts';
import { readStoredStatus, type RunStatus } from '../run/status.ts';
import type { ObjectStore } from '../store/port.ts';
import { ActiveRun, type LookForRow, type RunNodes, type WriteLoss, type WriteVerdict } from './active-run.ts';
import { adoptRun } from './adopt.ts';
import type { Grants } from './grants.ts';
import { Heartbeat, type BeatFacts } from './heartbeat.ts';
import type { Roster } from './roster.ts';
import type { RunDeadline } from './run-deadline.ts';
import { runFacts } from './run-facts.ts';

export interface RunStarterOptions {
  readonly store: ObjectStore;
  readonly log: Logger;
  readonly owner: LeaseOwner;
  readonly leaseTimes: LeaseTimes | undefined;
  /** Where clients find this head. */
  readonly address: () => string;
  readonly roster: Roster;
  readonly grants: Grants;
  readonly nodes: RunNodes;
  readonly writeLoss: WriteLoss;
  readonly writeVerdict: WriteVerdict;
  readonly lookForRow: LookForRow;
  readonly facts: (run: ActiveRun) => BeatFacts;
  /** How long dispatch waits for the word of nodes. */
  readonly settleMs: number;
  /** Whether runs that bring a framework of their own are refused. */
  readonly refusesUserCode: boolean;
  readonly holdsLease: () => boolean;
  /** Whether this head never will act again. */
  readonly isOver: () => boolean;
  readonly onBeat: (trouble: string | undefined) => void;
  /** A run may be dispatched now. */
  readonly onSettled: () => void;
  readonly signal: AbortSignal;
}

/** What a client says when it hands a run to the head. */
export interface AskedStart {
  /** Tasks out at once; 0 = as the manifest says. */
  readonly maxInFlight: number;
  readonly secrets: Secrets;
}

/** Nodes whose word a run waits for. */
interface Settling {
  readonly nodes: RunStatus['nodes'];
  readonly untilMs: number;
  isLooking: boolean;
}

/** Between two looks at a store that does not answer. */
const PAUSE_MS = 1_000;
const READS_AT_ONCE = 16;

export class RunStarter {
  readonly #options: RunStarterOptions;
  readonly #settling = new Map<string, Settling>();

  constructor(options: RunStarterOptions) {
    this.#options = options;
  }

  /**
   * @param asked what a client asked for; undefined: this head found the run left open, and keeps to the end of its time
   * @throws SkeinError NOT_FOUND | CORRUPT (manifest) | PREFLIGHT (somebody else works on it) | the store's
   */
  async start(runId: string, asked?: AskedStart): Promise<ActiveRun> {
    const { maxInFlight = 0, secrets = Secrets.NONE } = asked ?? {};
    const { store, log, owner, grants, nodes, writeLoss, writeVerdict, lookForRow } = this.#options;
    const isCluster = owner.kind === 'daemon';
    const manifest = await readManifest(store, runId);
    this.#refuseUserCode(manifest);
    const lease = await this.#lease(runId);
    try {
      failPoint('head.run-leased');
      const status = await readStoredStatus(store, runId);
      const [adopted] = await Promise.all([
        adoptRun({ store, log, manifest, status, isCluster }),
        grants.load(manifest, databasesOf(manifest)),
      ]);
      const heartbeat = this.#heartbeat(lease, status.generation);
      const run = new ActiveRun({
        manifest: runFacts(manifest),
        attempt: adopted.attempt,
        ledger: adopted.ledger,
        nodes,
        record: heartbeat,
        writeLoss,
        writeVerdict,
        lookForRow,
        log,
        maxInFlight: maxInFlight || manifest.max_in_flight,
        secrets,
        deadline: deadlineOf(manifest, asked ? undefined : status.status),
        counters: {
          retried: status.status?.retried ?? 0,
          lateRows: status.status?.late_rows ?? 0,
          duplicateRows: status.status?.duplicate_rows ?? 0,
        },
        helperFailures: status.status?.helper_failures ?? {},
      });
      lease.onLost = (by) => run.fenced(`run ${runId}: ${by ? describeHolder(by) : 'another head'} works on it now`);
      this.#expect(runId, adopted.expected, adopted.ledger.holders());
      this.#oweUntilHeard(run, adopted.expected);
      await heartbeat.start(run);
      return run;
    } catch (error) {
      await lease.release();
      throw error;
    }
  }

  /** The lives of the nodes that an earlier head named for this run, by name. */
  bootsOf(runId: string): Map<string, string> {
    const nodes = this.#settling.get(runId)?.nodes ?? [];
    return new Map(nodes.map(({ node, boot_id: boot }) => [node, boot]));
  }

  /**
   * A node that an earlier head worked with may have built references that are not stored yet: also a run that has all its
   * rows does not end before that node has spoken, or its time for that is over.
   */
  #oweUntilHeard(run: ActiveRun, nodes: RunStatus['nodes']): void {
    const { roster, settleMs, signal } = this.#options;
    const unheard = nodes.map(({ node }) => node).filter((node) => roster.get(node)?.isInventoried !== true);
    if (unheard.length === 0) return;
    for (const node of unheard) run.owes(node);
    // Who has dialled in by then says soon what it owes.
    const release = (): void => unheard.filter((node) => !roster.get(node)?.session).forEach((node) => run.paid(node));
    void sleep(settleMs, signal).then(release, () => {});
  }

  /** Whether the run still waits for what nodes have to say of it. */
  isSettling(run: ActiveRun): boolean {
    const settling = this.#settling.get(run.runId);
    if (!settling) return false;
    const isHeard = ({ node }: { node: string }): boolean => this.#options.roster.get(node)?.isInventoried ?? true;
    const isWaiting = performance.now() < settling.untilMs && !settling.nodes.every(isHeard);
    if (!isWaiting && !settling.isLooking) {
      settling.isLooking = true;
      void this.#lookAgain(run).then(() => {
        this.#doubtSilent(run, settling);
        this.#settling.delete(run.runId);
        run.touched();
        this.#options.onSettled();
      });
    }
    return true;
  }

  /** Attempts may run a second time now, and nobody knows which: the run says so of each that it hands out. */
  #doubtSilent(run: ActiveRun, { nodes }: Settling): void {
    const { roster, log } = this.#options;
    const hasSpoken = (node: string): boolean => roster.get(node)?.isInventoried === true;
    const silent = nodes.map(({ node }) => node).filter((node) => !hasSpoken(node));
    if (silent.length === 0) return;
    log.warn({ run: run.runId, nodes: silent }, 'nodes did not say in time what they hold');
    run.doubt(silent, hasSpoken);
  }

  forget(runId: string): void {
    this.#settling.delete(runId);
  }

  /** Tells the run of rows that came after it was adopted (S3). */
  async #lookAgain(run: ActiveRun): Promise<void> {
    const { store, log, signal } = this.#options;
    const source = storeRows(store, run.runId, { signal });
    const limit = pLimit(READS_AT_ONCE);
    while (!signal.aborted) {
      try {
        const news = [...(await source.list())].filter(([id, files]) => {
          const task = run.ledger.get(id);
          return task?.phase.kind === 'waiting' && files.some(({ attempt }) => attempt >= task.attempt);
        });
        await Promise.all(
          news.map(([instanceId, files]) =>
            limit(async () => {
              const row = await canonicalRow(files, (file) => source.read(file));
              if (row.kind !== 'row') return;
              const key = { instanceId, attempt: row.attempt };
              if (row.isLost) run.lossStored(key, 'its row says so');
              else run.rowFound(key, row.isError);
            }),
          ),
        );
        return;
      } catch (error) {
        log.warn({ run: run.runId, error: describeError(error) }, 'rows not looked at again yet');
        await sleep(PAUSE_MS, signal).catch(() => {});
      }
    }
  }

  #heartbeat(lease: Lease, generation: string | undefined): Heartbeat {
    const { store, log, owner, facts, holdsLease, isOver, onBeat } = this.#options;
    const isCluster = owner.kind === 'daemon';
    return new Heartbeat({
      store,
      log,
      bootId: owner.bootId,
      // Somebody waits for a command; nobody for a daemon, and it must not forget.
      isPatient: isCluster,
      generation,
      facts,
      mayWrite: () => holdsLease() && !lease.isLost,
      isOver: () => lease.isLost || isOver(),
      onBeat,
      release: () => lease.release(),
      // A daemon's lease of a run outlives it, so that its next life finds the run.
      abandon: () => (isCluster ? Promise.resolve(lease.abandon()) : lease.release()),
    });
  }

  /** @throws SkeinError PREFLIGHT */
  #refuseUserCode({ run_id: runId, framework_bundle: bundle }: Manifest): void {
    if (!bundle || !this.#options.refusesUserCode) return;
    const text = `run ${runId}: it brings a framework of its own (${bundle.file}), and this head was started with --no-user-code`;
    throw new SkeinError('PREFLIGHT', text, { fields: { run: runId } });
  }

  /** @throws SkeinError PREFLIGHT naming who works on the run */
  async #lease(runId: string): Promise<Lease> {
    const { store, owner, leaseTimes, address, log, signal } = this.#options;
    const outcome = await acquireRunLease({
      ...leaseTimes,
      store,
      runId,
      owner,
      address: address(),
      onTrouble: (error) => log.warn({ run: runId, error: describeError(error) }, 'lease of a run not renewed yet'),
      signal,
    });
    if (outcome.kind === 'held') return outcome.lease;
    throw new SkeinError(
      'PREFLIGHT',
      `run ${runId}: ${describeHolder(outcome.by)} works on it; follow it with: skein wait ${runId}`,
      { fields: { run: runId } },
    );
  }

  /** Nodes that must say what they hold, or be lost, before their tasks are anybody else's. */
  #expect(runId: string, nodes: RunStatus['nodes'], holders: readonly string[]): void {
    const { roster, grants, settleMs } = this.#options;
    for (const { node, data_dir_id: dataDirId, boot_id: boot } of nodes) roster.expect(node, dataDirId, boot);
    for (const node of [...holders, ...grants.holders()]) roster.expect(node, '', '');
    if (nodes.length > 0) this.#settling.set(runId, { nodes, untilMs: performance.now() + settleMs, isLooking: false });
  }
}

/** From the moment that somebody asks for the run; a head that goes on with it by itself keeps the end that it had (`status`). */
function deadlineOf(
  { render_inputs: { max_runtime_hours: hours }, grace_ms: graceMs }: Manifest,
  status: RunStatus | undefined,
): RunDeadline | undefined {
  if (hours === 0) return undefined;
  const isOpen = status !== undefined && status.terminal_state === null && !status.stopped;
  const atMs = (isOpen ? status.deadline_ms : null) ?? Date.now() + hours * 3_600_000;
  return { atMs, graceMs, reason: `its time is over (--max-runtime-hours ${hours})` };
}
