/**
 * The node daemon: hosts actors, keeps locks and SQL executors for them, and works on the runs that the head opens here.
 *
 * Not here: any listening port (the node dials), any decision on what is dispatched.
 *
 * Invariants: N1 a run is announced as opened only when its dataset and setup are in place. N2 stopping leaves no
 * thread, process, timer or temp folder of this node's own.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { openDataset } from '../dataset/dataset.ts';
import { Outcome } from '../gen/skein/v1/node.ts';
import { describeError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { VERSION } from '../kernel/version.ts';
import { readManifest } from '../run/manifest.ts';
import type { ObjectStore } from '../store/port.ts';
import type { Security } from '../wire/security.ts';
import { ActorHost } from './actor-host.ts';
import { HeadLink, type Order } from './head-link.ts';
import { LockKeeper, lockServices } from './lock-keeper.ts';
import { RunExecutor, type RunReports, type TaskEnd } from './run-executor.ts';
import { runSettings, type RunSettings } from './run-settings.ts';
import { downloadSetup } from './setup-download.ts';
import { Shipper } from './shipper.ts';
import { SqlSessions } from './sql-sessions.ts';
import { TaskActors } from './task-actors.ts';
import type { QueuedTask } from './task-queue.ts';
import { UploadBack } from './upload-back.ts';

export interface NodeOptions {
  readonly name: string;
  /** Of the head. */
  readonly address: string;
  readonly security: Security;
  /** Task actors at a time. */
  readonly actors: number;
  readonly store: ObjectStore;
  /** This node's own folder: scratch, logs, templates. Removed when the node stops. */
  readonly workDir: string;
  /** The dataset on this machine. */
  readonly datasetDir: string;
  /** Root of the stage-1 caches on this machine. */
  readonly cacheRoot: string;
  /** Root of the references on this machine, and of their locks. */
  readonly referenceRoot: string;
  /** What actors may see of the daemon's environment is cut from this. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  /** Called when the head is gone and the node did not ask for it. */
  onHeadLost?(error: Error): void;
}

export class Node implements AsyncDisposable {
  readonly #options: NodeOptions;
  readonly #host: ActorHost;
  readonly #sql: SqlSessions;
  readonly #locks = new LockKeeper();
  readonly #runs = new Map<string, RunExecutor>();
  #link: HeadLink | undefined;
  #isStopping = false;

  private constructor(options: NodeOptions) {
    this.#options = options;
    this.#host = new ActorHost({ logDir: join(options.workDir, 'actors'), env: options.env });
    this.#sql = new SqlSessions(join(options.workDir, 'sql'));
  }

  /** Joins the head. @throws SkeinError UNAVAILABLE | UNAUTHENTICATED | DEADLINE */
  static async start(options: NodeOptions): Promise<Node> {
    const node = new Node(options);
    const { name, address, security, actors } = options;
    const bootId = randomUUID();
    try {
      node.#link = await HeadLink.open({
        address,
        security,
        hello: { node: name, bootId, version: VERSION, actors, dataDirId: bootId },
        reconnect: false,
        onOrder: (order) => node.#obey(order),
        onSession: () => {},
        onCut: () => {},
        onFatal: (error) => node.#headEnded(error),
      });
      return node;
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await Promise.all([...this.#runs.values()].map((run) => run.destroy()));
    await this.#link?.[Symbol.asyncDispose]();
    await this.#host.stop();
    await this.#sql.stop();
    await this.#locks[Symbol.asyncDispose]();
    await rm(this.#options.workDir, { recursive: true, force: true });
  }

  #headEnded(error: Error): void {
    if (!this.#isStopping) this.#options.onHeadLost?.(error);
  }

  #obey(order: Order): void {
    switch (order.$case) {
      case 'welcome':
        return;
      case 'openRun':
        return void this.#open(order.value.runId);
      case 'batch': {
        const { runId, database, tasks } = order.value;
        const queued = tasks.map(({ instanceId, attempt }) => ({ instanceId, attempt, database }));
        return this.#runs.get(runId)?.add(queued);
      }
      case 'drain':
        return this.#runs.get(order.value.runId)?.drain(order.value.graceMs);
      case 'closeRun':
        return void this.#close(order.value.runId);
    }
  }

  async #open(runId: string): Promise<void> {
    const { store, log, actors, datasetDir, cacheRoot, referenceRoot } = this.#options;
    try {
      const settings = runSettings(await readManifest(store, runId));
      const dataset = await openDataset(datasetDir);
      await this.#bringSetup(runId, settings);
      const shipper = new Shipper(store, runId, log);
      const workDir = join(this.#options.workDir, runId);
      const uploadBack = await UploadBack.open({ store, runId, settings, referenceRoot, shipper });
      const run = new RunExecutor({
        runId,
        dataset,
        actors: Math.min(actors, settings.taskCount),
        taskActors: this.#taskActors(settings, join(workDir, 'logs')),
        shipper,
        uploadBack,
        reports: this.#reports(runId),
        log,
        cacheRoot,
        referenceRoot,
        workDir,
      });
      this.#runs.set(runId, run);
      this.#link?.send({ $case: 'runOpened', value: { runId } });
    } catch (error) {
      log.error({ run: runId, error: describeError(error) }, 'run cannot be opened here');
      this.#link?.send({ $case: 'runFailed', value: { runId, error: describeError(error) } });
    }
  }

  /** The run's required setup, and its seeds, into this node's roots (S-05, S-06). */
  async #bringSetup(runId: string, settings: RunSettings): Promise<void> {
    const { store, log, cacheRoot, referenceRoot } = this.#options;
    const { framework, databases } = settings;
    if (framework.mode === 'oracle') return;
    const roots = { slayer_otf_cache: cacheRoot, slayer_models_otf: referenceRoot };
    const reports = await downloadSetup({ store, runId, combo: framework, roots, databases, locks: this.#locks });
    for (const report of reports) {
      if (report.kind === 'broken') log.warn({ run: runId, ...report }, 'seed not taken');
    }
  }

  async #close(runId: string): Promise<void> {
    const helperFailures = { ...(await this.#runs.get(runId)?.close()) };
    this.#runs.delete(runId);
    this.#link?.send({ $case: 'runClosed', value: { runId, helperFailures } });
  }

  #taskActors({ framework, actorBlockTimeoutMs }: RunSettings, logDir: string): TaskActors {
    const { log } = this.#options;
    const locks = lockServices(this.#locks, (wait) => log.info(wait, 'an actor waits for a lock'));
    const services = { ...locks, ...this.#sql.services() };
    return new TaskActors({
      runtime: this.#host,
      settings: framework,
      services,
      unresponsiveMs: actorBlockTimeoutMs,
      logDir,
    });
  }

  #reports(runId: string): RunReports {
    return {
      started: ({ instanceId, attempt }) =>
        this.#link?.send({ $case: 'taskStarted', value: { runId, instanceId, attempt } }),
      ended: ({ instanceId, attempt }: QueuedTask, end) =>
        this.#link?.send({
          $case: 'taskEnded',
          value: { runId, instanceId, attempt, ...wireEnd(end), isLate: false, isDuplicate: false },
        }),
      actorsChanged: (live) => this.#link?.send({ $case: 'actorsChanged', value: { live, pending: 0 } }),
    };
  }
}

function wireEnd(end: TaskEnd): { outcome: Outcome; error: string } {
  switch (end.kind) {
    case 'ok':
      return { outcome: Outcome.OK, error: '' };
    case 'returned':
      return { outcome: Outcome.RETURNED, error: '' };
    case 'error':
      return { outcome: Outcome.ERROR, error: firstLine(end.error) };
    case 'lost':
      return { outcome: Outcome.LOST, error: firstLine(end.error) };
    case 'unstored':
      return { outcome: Outcome.UNSTORED, error: firstLine(end.error) };
  }
}

function firstLine(text: string): string {
  return (text.split('\n', 1)[0] ?? '').slice(0, 500);
}
