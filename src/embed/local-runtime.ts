/**
 * The runtime of `ray.init()` without an address: an actor host in this process. Reached by a lazy import only, so that
 * actor threads, which import the public API too, never load piscina.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ActorRuntime } from '../driver/runtime.ts';
import { ActorHost } from '../node/actor-host.ts';

export interface LocalRuntimeOptions {
  /** Where actors print to; absent: a temporary folder that goes with the runtime. */
  readonly logDir?: string;
  /** Actors at a time. Default 512. */
  readonly maxActors?: number;
}

export interface LocalRuntime {
  readonly runtime: ActorRuntime;
  readonly logDir: string;
  /** Ends every actor and waits for its thread. */
  readonly stop: () => Promise<void>;
}

export async function startLocalRuntime({ logDir, maxActors }: LocalRuntimeOptions): Promise<LocalRuntime> {
  const ownDir = logDir === undefined ? await mkdtemp(join(tmpdir(), 'skein-actors-')) : undefined;
  const dir = logDir ?? ownDir!;
  // The user's program is the daemon here, and its environment is what there is; actors get the allowed part of it.
  const host = new ActorHost({ logDir: dir, env: process.env, ...(maxActors !== undefined && { maxActors }) });
  return {
    runtime: host,
    logDir: dir,
    async stop() {
      await host.stop();
      if (ownDir !== undefined) await rm(ownDir, { recursive: true, force: true });
    },
  };
}
