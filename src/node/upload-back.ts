/**
 * The upload-back triple of a run at this node: debug bundle, setup sessions, reference shard (U-01 … U-06). The daemon
 * does it, so a shard is shipped even when the actor that built it died right after its commit (P-07).
 *
 * Invariants: B1 a reference is shipped once per run and node, and only a whole upload counts as shipped: a failed one stays
 * eligible for the next task and for `flush` (U-05), and one that other nodes wait for is tried again by itself. One that this
 * run encodes again is another, whatever its fingerprint (U-07). B2 what
 * was seeded is read from the bucket, never from disk (S-08). B3 what was brought from elsewhere is never shipped.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';

import type { TaskAssignment, TaskOutcome } from '../frameworks/assignment.ts';
import { failPoint } from '../kernel/failpoint.ts';
import { parseJson } from '../kernel/json.ts';
import type { Logger } from '../kernel/log.ts';
import { sleep } from '../kernel/retry.ts';
import { timedPhase } from '../kernel/timing.ts';
import { buildFacts, readIdentityRecord } from '../reference/build-facts.ts';
import { localReference } from '../reference/local-reference.ts';
import { markerOf, type MarkerLook } from '../reference/marked-tree.ts';
import { readSeedSnapshot } from '../reference/setup.ts';
import { identityObjectName } from '../reference/setup-upload.ts';
import { encodes, shouldShip, uploadSetupSessions, uploadShard } from '../reference/shard.ts';
import type { BuildOrder } from '../reference/shard-slice.ts';
import { readPatiently } from '../store/create-or-confirm.ts';
import { MARKERS, shardId } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import type { DatabasePlace } from './database-place.ts';
import type { RunSettings } from './run-settings.ts';
import type { AttemptSnapshots } from './snapshots.ts';
import type { HostedTaskActor } from './task-actors.ts';
import type { Shipper } from './shipper.ts';

/** What there is to ship besides the row. */
export interface ShippedTask {
  readonly assignment: TaskAssignment;
  /** Absent when the actor ended under the task. */
  readonly outcome?: TaskOutcome;
  readonly actor: HostedTaskActor;
  readonly startedMs: number;
  /** What the actor printed meanwhile. */
  readonly log: Buffer;
  /** Of its scratch while it ran; they have been stopped. */
  readonly snapshots: Pick<AttemptSnapshots, 'finish'>;
}

/** A whole reference that this node holds and the store has too. */
export interface ReadyReference {
  readonly database: string;
  /** Of the head's grant. */
  readonly epoch: number;
  /** Empty: the run's own setup holds the very same one. */
  readonly shard: string;
  /** Of its content; empty where it is not known. */
  readonly digest: string;
  /** Whether this run encoded it. */
  readonly wasEncoded: boolean;
}

export interface UploadBackOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly settings: RunSettings;
  readonly shipper: Shipper;
  readonly log: Logger;
  /** Where a database of the run is on this machine, undefined while no task of it came. */
  readonly placeOf: (database: string) => DatabasePlace | undefined;
  /** Fires when the node stops. */
  readonly signal: AbortSignal;
  readonly onReady?: (reference: ReadyReference) => void;
  /** How long `flush` goes on trying what the store does not take, milliseconds. Default 0: each reference once. */
  readonly patienceMs?: number;
}

/** Until an upload that failed is tried again. */
const RETRY_MS = 2_000;
/** How far a file's time may lie behind the clock. */
const CLOCK_TICK_MS = 20;

export class UploadBack {
  readonly #options: UploadBackOptions;
  readonly #seedFingerprints: ReadonlyMap<string, string>;
  /** Databases that were shipped, and seeds that stand here, each with the stamp of its marker. */
  readonly #shipped = new Map<string, string>();
  readonly #seeds = new Map<string, string>();
  /** Uploads under way, by database. */
  readonly #shipping = new Map<string, Promise<unknown>>();
  /** Grants whose reference was said to be ready: `<db> <epoch>`. */
  readonly #ready = new Set<string>();
  readonly #retrying = new Set<string>();
  /** Per root of setup sessions: its uploads, one after the other, and when the last whole one began. */
  readonly #sessions = new Map<string, { uploads: Promise<void>; shippedMs: number }>();

  private constructor(options: UploadBackOptions, seedFingerprints: ReadonlyMap<string, string>) {
    this.#options = options;
    this.#seedFingerprints = seedFingerprints;
  }

  static async open(options: UploadBackOptions): Promise<UploadBack> {
    const { store, runId, signal } = options;
    return new UploadBack(options, await readSeedSnapshot(store, runId, { signal }));
  }

  /** After one task, in the order of U-06. Never throws. */
  async task({ assignment, outcome, actor, snapshots }: ShippedTask): Promise<void> {
    const { shipper, settings } = this.#options;
    const { setupSessionsRoot, task } = assignment;
    await shipper.helper('debug-bundle', () => snapshots.finish(outcome === undefined));
    if (!encodes(settings.framework)) return;
    await this.#setupSessions(setupSessionsRoot);
    await this.reference(task.selected_database, actor.name);
  }

  /**
   * Ships what the encoder wrote since it was last shipped (U-02). Tasks end side by side, and each would find the same
   * files: two uploads at once would replace each other's objects until one gives up. `root` is this run's and this life's,
   * so all in it is to be shipped once, also what an upload that failed left behind.
   */
  #setupSessions(root: string): Promise<void> {
    const { store, runId, shipper } = this.#options;
    const sessions = this.#sessions.get(root) ?? { uploads: Promise.resolve(), shippedMs: 0 };
    this.#sessions.set(root, sessions);
    sessions.uploads = sessions.uploads.then(async () => {
      const beganMs = Date.now() - CLOCK_TICK_MS;
      const isShipped = await shipper.helper('setup-sessions', async () => {
        await uploadSetupSessions({ store, runId }, { root, sinceMs: sessions.shippedMs });
      });
      if (isShipped) sessions.shippedMs = beganMs;
    });
    return sessions.uploads;
  }

  /**
   * At the end of the run: what is eligible and not shipped yet. Whoever fetches a run that is over merges what is there, so
   * an end that does not wait out a store's bad minutes loses references that were paid for.
   * @returns whether nothing is left; never throws
   */
  async flush(): Promise<boolean> {
    const { settings, signal, patienceMs = 0 } = this.#options;
    const endMs = performance.now() + patienceMs;
    for (;;) {
      let isAllShipped = true;
      for (const database of settings.databases) {
        if (!(await this.reference(database, 'drain'))) isAllShipped = false;
      }
      if (isAllShipped || signal.aborted || performance.now() >= endMs) return isAllShipped;
      await sleep(RETRY_MS, signal).catch(() => {});
    }
  }

  /**
   * Ships the database's reference if it stands there, is this run's to ship, and was not shipped. Never throws.
   * @param actor part of the shard's name
   * @returns false when an upload failed
   */
  async reference(database: string, actor: string): Promise<boolean> {
    while (this.#shipping.has(database)) await this.#shipping.get(database);
    const work = this.#options.shipper.helper('reference-shard', () => this.#shipNow(database, actor));
    this.#shipping.set(database, work);
    const isDone = await work;
    this.#shipping.delete(database);
    if (!isDone) this.#tryAgain(database, actor);
    return isDone;
  }

  /** The run's own seed stands here: nothing is to be shipped, and whoever waits for the grant's reference may go on. */
  seedReady(database: string, epoch: number, digest: string): void {
    this.#say({ database, epoch, shard: '', digest, wasEncoded: false });
  }

  async #shipNow(database: string, actor: string): Promise<void> {
    const { store, runId, settings, signal, placeOf, log } = this.#options;
    const place = placeOf(database);
    if (place?.reference.kind !== 'build') return;
    const { referenceRoot } = place;
    const { epoch } = place.reference;
    const run = settings.framework;
    // Most tasks of most runs: neither disk nor store is asked.
    if (!encodes(run)) return;
    const marker = await markerOf(join(referenceRoot, database), MARKERS.referenceFingerprint);
    const isShipped = marker !== undefined && (await this.#isShipped(database, referenceRoot, marker));
    const isSeed = marker !== undefined && !isShipped && (await this.#isSeed(database, referenceRoot, marker));
    if (!shouldShip({ database, fingerprint: marker?.text, isShipped, isSeed, run })) {
      if (isSeed) this.#say({ database, epoch, shard: '', digest: '', wasEncoded: false });
      return;
    }
    const shard = shardId(hostname(), process.pid, actor);
    const upload = { store, runId, shard, database, referenceRoot, signal, ...(epoch > 0 && { epoch }) };
    const say = (line: string): void => log.info({ run: runId, database, shard }, line);
    const outcome = await timedPhase(`upload of the reference of ${database}`, say, () => uploadShard(upload));
    if (outcome.kind === 'absent') return;
    // As it stood before: one that was replaced meanwhile is looked at again.
    this.#shipped.set(database, marker!.stamp);
    this.#say(readyReference(database, epoch, outcome.shard, outcome.order, runId));
  }

  /** Whether the reference that stands there was shipped: one that this run encoded again is another. */
  async #isShipped(database: string, root: string, { stamp }: MarkerLook): Promise<boolean> {
    const shipped = this.#shipped.get(database);
    if (shipped === undefined || shipped === stamp) return shipped !== undefined;
    // Somebody else's, merged into a root that is shared, is not ours to ship.
    return buildFacts(await readIdentityRecord(root, database)).runId !== this.#options.runId;
  }

  async #isSeed(database: string, root: string, { text, stamp }: MarkerLook): Promise<boolean> {
    if (this.#seedFingerprints.get(database) !== text) return false;
    if (this.#seeds.get(database) === stamp) return true;
    const facts = buildFacts(await readIdentityRecord(root, database));
    const isOwn = facts.inputFp === text && facts.runId === this.#options.runId;
    if (isOwn || !(await this.#hasSeedContent(database, root))) return false;
    this.#seeds.set(database, stamp);
    return true;
  }

  /** Whether the content is the seed's, as far as anybody says what that is. */
  async #hasSeedContent(database: string, root: string): Promise<boolean> {
    const { store, runId, signal } = this.#options;
    const name = identityObjectName(runId, database);
    const record = await readPatiently(store, name, { signal });
    const seed = record && buildFacts(parseJson(name, record.bytes)).contentDigest;
    if (seed === undefined) return true;
    const own = await localReference(root, database);
    return own === undefined || own.order.digest === seed;
  }

  #say(reference: ReadyReference): void {
    const { database, epoch } = reference;
    if (epoch === 0 || this.#ready.has(`${database} ${epoch}`)) return;
    failPoint('reference.before-ready');
    this.#ready.add(`${database} ${epoch}`);
    this.#options.onReady?.(reference);
  }

  /** Others wait for a granted reference, and no task of ours may come after whose end it would go again. */
  #tryAgain(database: string, actor: string): void {
    const { signal, placeOf } = this.#options;
    const place = placeOf(database);
    const isAwaited = place?.reference.kind === 'build' && place.reference.epoch > 0;
    if (!isAwaited || signal.aborted || this.#retrying.has(database)) return;
    this.#retrying.add(database);
    void sleep(RETRY_MS, signal)
      .then(() => {
        this.#retrying.delete(database);
        return this.reference(database, actor);
      })
      .catch(() => {});
  }
}

/** What is said of a shard that is stored whole. */
export function readyReference(
  database: string,
  epoch: number,
  shard: string,
  order: BuildOrder,
  runId: string,
): ReadyReference {
  return { database, epoch, shard, digest: order.digest, wasEncoded: order.runId === runId };
}
