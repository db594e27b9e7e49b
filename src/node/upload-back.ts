/**
 * The upload-back triple of a run at this node: debug bundle, setup sessions, reference shard (U-01 … U-06). The daemon
 * does it, so a shard is shipped even when the actor that built it died right after its commit (P-07).
 *
 * Invariants: B1 a database is shipped once per run and node, and only a whole upload counts as shipped: a failed one stays
 * eligible for the next task and for `flush` (U-05). B2 what was seeded is read from the bucket, never from disk (S-08).
 */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

import type { TaskAssignment, TaskOutcome } from '../frameworks/assignment.ts';
import { systemCode } from '../kernel/errors.ts';
import { readSeedSnapshot } from '../reference/setup.ts';
import { shouldShip, uploadDebugBundle, uploadSetupSessions, uploadShard } from '../reference/shard.ts';
import { MARKERS, shardId } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import type { RunSettings } from './run-settings.ts';
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
}

export interface UploadBackOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly settings: RunSettings;
  /** Of this node. */
  readonly referenceRoot: string;
  readonly shipper: Shipper;
}

export class UploadBack {
  readonly #options: UploadBackOptions;
  readonly #seedFingerprints: ReadonlyMap<string, string>;
  readonly #shipped = new Set<string>();
  /** Uploads under way, by database. */
  readonly #shipping = new Map<string, Promise<unknown>>();

  private constructor(options: UploadBackOptions, seedFingerprints: ReadonlyMap<string, string>) {
    this.#options = options;
    this.#seedFingerprints = seedFingerprints;
  }

  static async open(options: UploadBackOptions): Promise<UploadBack> {
    return new UploadBack(options, await readSeedSnapshot(options.store, options.runId));
  }

  /** After one task, in the order of U-06. Never throws. */
  async task({ instanceId, attempt, assignment, actor, startedMs }: ShippedTask & TaskName): Promise<void> {
    const { store, runId, shipper, settings } = this.#options;
    const { scratchDir, setupSessionsRoot, task } = assignment;
    await shipper.helper('debug-bundle', async () => {
      await uploadDebugBundle({ store, runId }, { instanceId, attempt, scratchDir });
    });
    if (settings.framework.framework !== 'encode') return;
    await shipper.helper('setup-sessions', async () => {
      await uploadSetupSessions({ store, runId }, { root: setupSessionsRoot, sinceMs: startedMs });
    });
    await this.#ship(task.selected_database, actor.name);
  }

  /** At the end of the run: what is eligible and not shipped yet. Never throws. */
  async flush(): Promise<void> {
    for (const database of this.#options.settings.databases) await this.#ship(database, 'drain');
  }

  async #ship(database: string, actor: string): Promise<void> {
    await this.#shipping.get(database);
    const work = this.#options.shipper.helper('reference-shard', () => this.#shipNow(database, actor));
    this.#shipping.set(database, work);
    await work;
    if (this.#shipping.get(database) === work) this.#shipping.delete(database);
  }

  async #shipNow(database: string, actor: string): Promise<void> {
    const { store, runId, settings, referenceRoot } = this.#options;
    const { framework, queryMode, slayerSetup } = settings.framework;
    const question = {
      database,
      fingerprint: await this.#fingerprint(database),
      uploadedDbs: this.#shipped,
      seedFingerprints: this.#seedFingerprints,
      run: { framework, queryMode, slayerSetup },
    };
    if (!shouldShip(question)) return;
    const shard = shardId(hostname(), process.pid, actor);
    const outcome = await uploadShard({ store, runId, shard, database, referenceRoot });
    if (outcome.kind !== 'absent') this.#shipped.add(database);
  }

  async #fingerprint(database: string): Promise<string | undefined> {
    try {
      const path = join(this.#options.referenceRoot, database, MARKERS.referenceFingerprint);
      return (await readFile(path, 'utf8')).trim();
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }
}

interface TaskName {
  readonly instanceId: string;
  readonly attempt: number;
}
