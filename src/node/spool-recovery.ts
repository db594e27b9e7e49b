/**
 * Ships what an earlier life on this data dir left in its spool, each piece as that life would have: rows, logs and bundles,
 * references that were built under a grant (P-07), the word of those that no head has heard of, and a verdict for what had started and left nothing.
 *
 * Invariants: V1 nothing is settled before the store has it. V2 an orphan's verdict never stands over a row (DESIGN rule
 * 2). V3 nothing is written for a run that is not in the store any more.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

import pLimit from 'p-limit';

import type { TaskRow } from '../frameworks/framework.ts';
import { describeError, isSkeinError } from '../kernel/errors.ts';
import { jsonBytes, parseJson } from '../kernel/json.ts';
import type { Logger } from '../kernel/log.ts';
import { backoffMs, sleep } from '../kernel/retry.ts';
import { buildFacts, readIdentityRecord } from '../reference/build-facts.ts';
import { uploadSetupSessions, uploadShard } from '../reference/shard.ts';
import { lastSnapshotMs } from '../run/last-snapshot.ts';
import { ACTOR_LOST, type SnapshotFacts } from '../run/synthetic-row.ts';
import { callPatiently } from '../store/create-or-confirm.ts';
import { manifestName, shardId } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { ScratchMirror, scratchFacts } from './scratch-mirror.ts';
import { Shipper, type RowEnd } from './shipper.ts';
import type { Spool, SpoolGrant, SpoolReady, SpoolResult, SpoolStart } from './spool.ts';
import type { TaskEnd } from './task-end.ts';
import { taskEndOf } from './task-shipping.ts';
import { readyReference, type ReadyReference } from './upload-back.ts';
import { verdictRow } from './verdict.ts';

const AT_ONCE = 16;

export interface RecoveryOptions {
  readonly spool: Spool;
  readonly store: ObjectStore;
  readonly log: Logger;
  /** Whether what the store refuses is tried until it is taken; else it is reported as not stored, and stays. */
  readonly isPatient: boolean;
  /** Fires when the node stops: what is not shipped stays. */
  readonly signal: AbortSignal;
  readonly ended: (
    runId: string,
    task: { readonly instanceId: string; readonly attempt: number },
    end: TaskEnd,
  ) => void;
  /** @param settle to be called when a head has acknowledged it */
  readonly referenceReady: (runId: string, reference: ReadyReference, settle: () => void) => void;
  /** Every reference that was owed to the run is stored, or will never be. */
  readonly shipped: (runId: string) => void;
  readonly onStoreTrouble: (trouble: string | undefined) => void;
  readonly helpersFailed: (runId: string, counts: Readonly<Record<string, number>>) => void;
}

type Left<T> = T & { readonly id: number };

/** Where a task of an earlier life wrote; `''` where that is not known. */
type LeftFolders = Pick<SpoolResult, 'runId' | 'instanceId' | 'attempt' | 'scratchDir' | 'sessionsRoot' | 'startedMs'>;

export class SpoolRecovery {
  readonly #options: RecoveryOptions;
  readonly #shippers = new Map<string, Shipper>();
  readonly #results: Set<Left<SpoolResult>>;
  readonly #orphans: readonly Left<SpoolStart>[];
  readonly #grants: readonly Left<SpoolGrant>[];
  readonly #ready: readonly Left<SpoolReady>[];
  /** References that are still to be shipped, by run. */
  readonly #owed: Map<string, number>;
  readonly #runs = new Map<string, Promise<boolean>>();
  readonly #fates = new Map<string, 'made' | 'lost'>();

  constructor(options: RecoveryOptions) {
    this.#options = options;
    const { results, orphans, grants, ready } = options.spool.takeLeft();
    this.#results = new Set(results);
    this.#orphans = orphans;
    this.#grants = grants;
    this.#ready = ready;
    this.#owed = new Map([...Map.groupBy(grants, ({ runId }) => runId)].map(([runId, { length }]) => [runId, length]));
    for (const task of orphans) this.#fates.set(keyOf(task), 'lost');
    for (const task of results) this.#fates.set(keyOf(task), 'made');
  }

  /** Results whose rows are not known to be stored yet. */
  get shipping(): readonly SpoolResult[] {
    return [...this.#results];
  }

  /** Runs whose references are on their way: they are not over before `shipped`. */
  get owedRuns(): readonly string[] {
    return [...this.#owed.keys()];
  }

  /** What had started and left nothing. The head is told of it in this whole life: it may be another head that asks. */
  get orphans(): readonly SpoolStart[] {
    return this.#orphans;
  }

  /**
   * Whether an earlier life has started the attempt, so that it may not be started again: `made` if its row is stored or on
   * its way, `lost` if it left none.
   */
  fateOf(runId: string, task: { readonly instanceId: string; readonly attempt: number }): 'made' | 'lost' | undefined {
    return this.#fates.get(keyOf({ runId, ...task }));
  }

  /** Ships everything; ends when all is stored, or the node stops. Never throws. */
  async run(): Promise<void> {
    const { log, spool, referenceReady } = this.#options;
    for (const { id, kind: _, runId, ...reference } of this.#ready) {
      log.info({ run: runId, ...reference }, 'spool: an earlier life was not heard with a reference');
      referenceReady(runId, reference, () => spool.settle(id));
    }
    const results = [...this.#results];
    const [orphans, grants] = [this.#orphans, this.#grants];
    if (results.length + orphans.length + grants.length === 0) return;
    log.info(
      { rows: results.length, orphans: orphans.length, grants: grants.length },
      'spool: an earlier life left work',
    );
    const limit = pLimit(AT_ONCE);
    await Promise.all([
      ...results.map((result) =>
        limit(async () => {
          const failure = await this.#patiently('a row', () => this.#result(result));
          if (failure !== undefined) this.#unstored(result, failure);
        }),
      ),
      ...orphans.map((orphan) => limit(() => this.#patiently('a verdict', () => this.#orphan(orphan)))),
      ...grants.map((grant) =>
        limit(async () => {
          await this.#patiently('a reference', () => this.#grant(grant));
          this.#paid(grant.runId);
        }),
      ),
    ]);
  }

  async #result(result: Left<SpoolResult>): Promise<void> {
    const { spool, signal, log, ended } = this.#options;
    const { id, runId, instanceId, attempt, row: bytes } = result;
    if (!(await this.#hasRun(runId))) return this.#forget(result, 'its run is not in the store any more');
    const shipper = this.#shipper(runId);
    const row = parseJson(`the spooled row of ${instanceId}`, bytes) as TaskRow;
    const end: RowEnd = await shipper.row({ instanceId, attempt, bytes, isSynthetic: row.synthetic !== undefined });
    if (end.kind === 'kept') return;
    if (end.kind === 'unstored') throw end.error;
    this.#results.delete(result);
    spool.rowStored(id);
    log.info({ run: runId, instance: instanceId, attempt, end: end.kind }, 'spool: row of an earlier life stored');
    ended(runId, { instanceId, attempt }, taskEndOf(row, end));
    await shipper.taskLog(instanceId, attempt, result.log);
    await this.#bundle(result);
    if (signal.aborted) return;
    spool.settle(id);
    await removeFolder(result.scratchDir);
  }

  /** What a task left in its scratch, and its encoder beside it; each as far as it goes (U-06). */
  async #bundle({ runId, instanceId, attempt, scratchDir: dir, sessionsRoot, startedMs }: LeftFolders): Promise<void> {
    const { store, signal } = this.#options;
    const shipper = this.#shipper(runId);
    if (dir !== '' && existsSync(dir)) {
      const mirror = new ScratchMirror({ store, runId, instanceId, attempt, dir });
      await shipper.helper('debug-bundle', async () => {
        await mirror.pass({ isFinal: true, isLate: true, signal });
      });
    }
    if (sessionsRoot !== '' && existsSync(sessionsRoot)) {
      await shipper.helper('setup-sessions', async () => {
        await uploadSetupSessions({ store, runId, signal }, { root: sessionsRoot, sinceMs: startedMs });
      });
    }
  }

  /**
   * The task was running when its node died: the death is proven, since its data dir is ours now. What it had written is
   * here still, whatever the store's last snapshot of it is.
   */
  async #orphan(orphan: Left<SpoolStart>): Promise<void> {
    const { spool, log, signal } = this.#options;
    const { id, runId, instanceId, attempt, database, bootId, startedMs } = orphan;
    if (!(await this.#hasRun(runId))) return this.#forget(orphan, 'its run is not in the store any more');
    const cause = `the node died under it; started ${new Date(startedMs).toISOString()} by boot ${bootId}`;
    const snapshots = await this.#snapshotsOf(orphan);
    const verdict = { reason: ACTOR_LOST, error: ACTOR_LOST, cause, ...(snapshots && { snapshots }) };
    const row = verdictRow({ instanceId, database, attempt }, undefined, verdict);
    const end = await this.#shipper(runId).row({ instanceId, attempt, bytes: jsonBytes(row), isSynthetic: true });
    if (end.kind === 'kept') return;
    if (end.kind === 'unstored') throw end.error;
    log.warn({ run: runId, instance: instanceId, attempt, cause }, 'task lost with an earlier life of this node');
    await this.#bundle(orphan);
    if (signal.aborted) return;
    spool.settle(id);
    await removeFolder(orphan.scratchDir);
  }

  /** What the store has of a task that wrote something, and what is here of it. A store that does not say has nothing. */
  async #snapshotsOf(orphan: Left<SpoolStart>): Promise<SnapshotFacts | undefined> {
    const { store, signal } = this.#options;
    const { scratchDir, startedMs } = orphan;
    const facts = scratchDir === '' ? undefined : scratchFacts(scratchDir);
    if (!facts) return undefined;
    const lastMs = await lastSnapshotMs(store, orphan, { signal }).catch(() => undefined);
    return { lastMs, startedMs, endedMs: facts.newestMs };
  }

  /** What was granted and built, and not said to be ready: the grant is over, but what was paid for is shipped. */
  async #grant(grant: Left<SpoolGrant>): Promise<void> {
    const { store, spool, signal, log, referenceReady } = this.#options;
    const { id, runId, database, epoch, referenceRoot } = grant;
    const { runId: builtBy } = buildFacts(await readIdentityRecord(referenceRoot, database));
    if (builtBy !== runId) return spool.settle(id);
    if (!(await this.#hasRun(runId))) return this.#forget(grant, 'its run is not in the store any more');
    const shard = shardId(hostname(), process.pid, 'recovered');
    const outcome = await uploadShard({ store, runId, shard, database, referenceRoot, epoch, signal });
    if (outcome.kind !== 'absent') {
      log.info(
        { run: runId, database, epoch, shard: outcome.shard },
        'spool: reference of an earlier life is in the store',
      );
      const reference = readyReference(database, epoch, outcome.shard, outcome.order, runId);
      const word = spool.ready(id, { runId, ...reference });
      return referenceReady(runId, reference, () => spool.settle(word));
    }
    spool.settle(id);
  }

  #paid(runId: string): void {
    const left = (this.#owed.get(runId) ?? 0) - 1;
    if (left > 0) return void this.#owed.set(runId, left);
    // A node that stops still owes it: its next life says so.
    if (this.#options.signal.aborted) return;
    this.#owed.delete(runId);
    this.#options.shipped(runId);
  }

  /** Whoever is inside a command waits no longer for the store: the next one ships it. */
  #unstored(result: Left<SpoolResult>, error: unknown): void {
    const { runId, instanceId, attempt } = result;
    this.#results.delete(result);
    this.#options.ended(runId, { instanceId, attempt }, { kind: 'unstored', error: describeError(error) });
  }

  #forget(entry: { readonly id: number; readonly runId: string }, reason: string): void {
    const { spool, log } = this.#options;
    log.warn({ run: entry.runId, reason }, 'spool: a record is dropped');
    for (const result of this.#results) if (result.id === entry.id) this.#results.delete(result);
    spool.settle(entry.id);
  }

  async #hasRun(runId: string): Promise<boolean> {
    const { store, signal } = this.#options;
    const name = manifestName(runId);
    const look = async (): Promise<boolean> => {
      const info = await callPatiently(`looking at ${name}`, { signal }, (inner) =>
        store.stat(name, { signal: inner }),
      );
      return info !== undefined;
    };
    const known = this.#runs.get(runId) ?? look();
    this.#runs.set(runId, known);
    try {
      return await known;
    } catch (error) {
      this.#runs.delete(runId);
      throw error;
    }
  }

  #shipper(runId: string): Shipper {
    const { store, log, isPatient, signal, onStoreTrouble, helpersFailed } = this.#options;
    let shipper = this.#shippers.get(runId);
    if (!shipper) {
      shipper = new Shipper({
        store,
        runId,
        log,
        ...(isPatient && { keepTrying: signal, onStoreTrouble }),
        onFailures: (counts) => helpersFailed(runId, counts),
      });
      this.#shippers.set(runId, shipper);
    }
    return shipper;
  }

  /**
   * What the store refuses now is tried again; what no try can mend stays in the spool, with a line in the log.
   * @returns the error of one who is not patient
   */
  async #patiently(what: string, work: () => Promise<void>): Promise<unknown> {
    const { isPatient, signal, log, onStoreTrouble } = this.#options;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await work();
        if (attempt > 1) onStoreTrouble(undefined);
        return undefined;
      } catch (error) {
        if (signal.aborted) return undefined;
        log.error({ what, attempt, error: describeError(error) }, 'spool: not shipped yet');
        if (isSkeinError(error, 'CORRUPT', 'INVALID_INPUT')) return undefined;
        if (!isPatient) return error ?? new Error(what);
        onStoreTrouble(`store: ${describeError(error)}`);
        await sleep(500 + backoffMs(attempt, 500, 10_000), signal).catch(() => {});
      }
    }
    return undefined;
  }
}

async function removeFolder(dir: string): Promise<void> {
  if (dir !== '') await rm(dir, { recursive: true, force: true });
}

const keyOf = ({ runId, instanceId, attempt }: Pick<SpoolStart, 'runId' | 'instanceId' | 'attempt'>): string =>
  `${runId}/${instanceId}/${attempt}`;

/** The folder of one life below a node's work folder. */
export function lifeDir(workDir: string, bootId: string): string {
  return join(workDir, `life-${bootId}`);
}
