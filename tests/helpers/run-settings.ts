/** The settings of a run that encodes and never waits, for tests of what is shipped. */
import { DEFAULT_MODEL_SETTINGS } from '../../src/frameworks/framework.ts';
import type { RunSettings } from '../../src/node/run-settings.ts';

/** One task a database. */
export function encodeSettings(databases: readonly string[]): RunSettings {
  return {
    framework: {
      ...DEFAULT_MODEL_SETTINGS,
      framework: 'encode',
      queryMode: 'slayer',
      mode: 'a-interact',
      slayerSetup: 'on-the-fly',
      encoder: 'rules',
      sqlTimeoutMs: 1_000,
    },
    databases,
    taskCount: databases.length,
    actorBlockTimeoutMs: 0,
    snapshotEveryMs: 0,
  };
}
