/** What the head keeps of a manifest while a run is active: all but the ids, which the ledger holds once already. */
import type { Manifest } from '../run/manifest.ts';

const KEPT = [
  'run_id',
  'framework',
  'mode',
  'query_mode',
  'slayer_setup',
  'encoder',
  'dataset_dir',
  'dataset_content',
  'lost_after_ms',
  'secret_names',
] as const;

export type RunFacts = Pick<Manifest, (typeof KEPT)[number]>;

export function runFacts(manifest: Manifest): RunFacts {
  return Object.fromEntries(KEPT.map((field) => [field, manifest[field]])) as RunFacts;
}
