/** A head daemon over the real gRPC, a store in memory, and scripted nodes. */
import { randomUUID } from 'node:crypto';

import { Head, type HeadOptions } from '../../../src/head/head.ts';
import { createLogger } from '../../../src/kernel/log.ts';
import { jsonBytes, parseJson } from '../../../src/kernel/json.ts';
import type { Manifest } from '../../../src/run/manifest.ts';
import { readStatus, type RunStatus } from '../../../src/run/status.ts';
import { manifestName, rowName } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { HeadClient } from '../../../src/wire/head-client.ts';
import { RunState, type StatusResponse, type WatchRunResponse } from '../../../src/gen/skein/v1/run.ts';
import { ScriptedNode, TOKEN, type ScriptedNodeOptions } from '../../helpers/scripted-node.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

export class ClusterScene implements AsyncDisposable {
  readonly store: ObjectStore;
  head!: Head;
  client!: HeadClient;
  readonly #nodes: ScriptedNode[] = [];
  readonly #options: Partial<HeadOptions>;

  private constructor(store: ObjectStore, options: Partial<HeadOptions>) {
    this.store = store;
    this.#options = options;
  }

  static async open(options: Partial<HeadOptions> = {}, store = createMemoryStore()): Promise<ClusterScene> {
    const scene = new ClusterScene(store, options);
    await scene.startHead();
    return scene;
  }

  /** The head of this store's data dir, in a new life. */
  async startHead(): Promise<void> {
    this.head = await Head.start({
      store: this.store,
      security: { token: TOKEN },
      log: createLogger(process.env['SKEIN_TEST_LOG'], 'debug'),
      kind: 'daemon',
      headId: 'head-1',
      bootId: randomUUID(),
      lostAfterMs: 60_000,
      settleMs: 300,
      ...this.#options,
    });
    this.client = new HeadClient(this.head.address, { token: TOKEN });
  }

  /** The head dies: no last beat, no lease given up, nobody told. */
  async killHead(): Promise<void> {
    this.client[Symbol.dispose]();
    await this.head.crash();
  }

  async put(manifest: Manifest): Promise<void> {
    await this.store.create(manifestName(manifest.run_id), jsonBytes(manifest));
  }

  async run(manifest: Manifest, maxInFlight = 0): Promise<void> {
    await this.put(manifest);
    await this.client.startRun(manifest.run_id, maxInFlight);
  }

  async join(name: string, options: Partial<ScriptedNodeOptions> = {}): Promise<ScriptedNode> {
    const port = (): number => Number(this.head.address.split(':')[1]);
    const node = await ScriptedNode.join({ port, store: this.store, name, ...options });
    this.#nodes.push(node);
    return node;
  }

  status(): Promise<StatusResponse> {
    return this.client.status();
  }

  /** The run's status object. */
  stored(runId = 'r1'): Promise<RunStatus | undefined> {
    return readStatus(this.store, runId);
  }

  async row(id: string, attempt = 1, runId = 'r1'): Promise<Record<string, unknown> | undefined> {
    const stored = await this.store.read(rowName(runId, id, attempt));
    return stored && (parseJson(stored.name, stored.bytes) as Record<string, unknown>);
  }

  /** How the run ends, within a few seconds. */
  async end(runId = 'r1'): Promise<WatchRunResponse> {
    let last: WatchRunResponse | undefined;
    await waitUntil(`run ${runId} ends`, async () => {
      for await (const progress of this.client.watchRun(runId)) last = progress;
      return last !== undefined && last.state >= RunState.DONE;
    });
    return last!;
  }

  async progress(runId = 'r1'): Promise<WatchRunResponse> {
    for await (const progress of this.client.watchRun(runId)) return progress;
    throw new Error('no progress');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node[Symbol.asyncDispose]()));
    this.client[Symbol.dispose]();
    await this.head[Symbol.asyncDispose]();
  }
}
