/** What setup a run needs, and whether it works on references, from its manifest. */
import { encodes } from '../reference/shard.ts';
import type { RunCombo } from '../reference/setup.ts';
import type { Manifest } from '../run/manifest.ts';

type Choice = Pick<Manifest, 'framework' | 'query_mode' | 'slayer_setup' | 'framework_bundle'>;

/** What setup a run of this manifest needs. Under mode oracle the row's names say so: raw. */
export function comboOf(manifest: Choice): RunCombo {
  const { framework, query_mode: queryMode, slayer_setup: slayerSetup, framework_bundle: own } = manifest;
  return { framework, queryMode, slayerSetup, ...(own && { own }) };
}

/** Whether the run's tasks work on references, which it builds where there are none. */
export function usesReferences(manifest: Choice): boolean {
  return encodes(comboOf(manifest));
}
