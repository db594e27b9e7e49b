/**
 * What a node needs of a run's manifest. The manifest is the head's document; a node reads only the fields it works by,
 * and takes whatever else is in it as it comes.
 */
import { z } from 'zod';

import type { FrameworkSettings } from '../frameworks/framework.ts';
import { SkeinError } from '../kernel/errors.ts';
import { parseJson } from '../kernel/json.ts';
import { manifestName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';

const manifest = z.looseObject({
  framework: z.string(),
  query_mode: z.enum(['raw', 'slayer']),
  mode: z.enum(['a-interact', 'c-interact', 'oracle']),
  slayer_setup: z.enum(['pre-encoded', 'on-the-fly']),
  encoder: z.string(),
  sql_timeout_ms: z.number(),
  actor_block_timeout_ms: z.number(),
  instance_ids: z.array(z.string()),
  databases: z.record(z.string(), z.string()),
});

export interface RunSettings {
  readonly framework: FrameworkSettings;
  /** Those of the run's tasks, each once. */
  readonly databases: readonly string[];
  readonly taskCount: number;
  readonly actorBlockTimeoutMs: number;
}

/** @throws SkeinError NOT_FOUND | CORRUPT | STORE_UNAVAILABLE */
export async function readRunSettings(store: ObjectStore, runId: string): Promise<RunSettings> {
  const name = manifestName(runId);
  const stored = await store.read(name);
  if (!stored) throw new SkeinError('NOT_FOUND', `run ${runId}: no ${name} in ${store.url}`);
  const { success, data, error } = manifest.safeParse(parseJson(name, stored.bytes));
  if (!success) throw new SkeinError('CORRUPT', `${name}: ${z.prettifyError(error)}`, { cause: error });
  return {
    framework: {
      framework: data.framework,
      queryMode: data.query_mode,
      mode: data.mode,
      slayerSetup: data.slayer_setup,
      encoder: data.encoder,
      sqlTimeoutMs: data.sql_timeout_ms,
    },
    databases: [...new Set(Object.values(data.databases))].sort(),
    taskCount: data.instance_ids.length,
    actorBlockTimeoutMs: data.actor_block_timeout_ms,
  };
}
