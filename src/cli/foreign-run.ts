/** Going on with a run that another program made, the original: whether this one can, and what its manifest lacks for it. */
import type { Dataset } from '../dataset/dataset.ts';
import { checkCombination, parseFramework, parseMode } from '../frameworks/registry.ts';
import { SkeinError } from '../kernel/errors.ts';
import { VERSION } from '../kernel/version.ts';
import { isForeign, supplementManifest, type Manifest } from '../run/manifest.ts';
import type { ObjectStore } from '../store/port.ts';
import type { Flags } from './flags.ts';
import * as shared from './shared-flags.ts';

/** @throws SkeinError INVALID_INPUT for a run whose tasks this version cannot run: the original's, or a later Skein's */
export function checkCanRun({ run_id: runId, framework, mode, query_mode, slayer_setup, ...rest }: Manifest): void {
  const field = (name: string): string => `run ${runId}: ${name}`;
  const parsed = parseMode(mode, field('mode'));
  if (parsed !== 'oracle') {
    const isOwn = rest.framework_bundle !== null;
    const known = isOwn ? framework : parseFramework(framework, field('framework'));
    checkCombination({ framework: known, queryMode: query_mode, mode: parsed, slayerSetup: slayer_setup, isOwn });
  }
  if (!rest.use_audited_gold_sql || rest.audited_gold !== null) return;
  throw new SkeinError(
    'INVALID_INPUT',
    `${field('use_audited_gold_sql')}: it is scored by audited gold SQL that is not in the store: submit a new run with --audited-gold`,
    { fields: { run: runId } },
  );
}

/** What the manifest of a run of the original does not say: the databases of its ids, and folders of this machine. */
export function completed(flags: Flags, manifest: Manifest, dataset: Dataset): Manifest {
  if (!isForeign(manifest)) return manifest;
  const databaseOfId = (id: string): string => dataset.taskById.get(id)?.selected_database ?? '';
  return {
    ...manifest,
    databases: Object.fromEntries(manifest.instance_ids.map((id) => [id, databaseOfId(id)])),
    cache_root: manifest.cache_root || shared.folderOf(flags, 'cache-root'),
    reference_root: manifest.reference_root || shared.folderOf(flags, 'reference-root'),
  };
}

/** Says where a run of the original goes on from: what of `completed` its manifest lacks is put beside it. */
export async function supplementForeign(store: ObjectStore, stored: Manifest, complete: Manifest): Promise<void> {
  if (!isForeign(stored)) return;
  const { databases, dataset_dir, cache_root, reference_root, encoder, sql_timeout_ms } = complete;
  const folders = { dataset_dir, cache_root, reference_root };
  const supplement = { databases, ...folders, encoder, sql_timeout_ms, skein_version: VERSION };
  await supplementManifest(store, stored.run_id, supplement);
}

/** @throws SkeinError INVALID_INPUT for a manifest that names no dataset, where the command line names none either */
export function checkHasDataset({ run_id: runId, dataset_dir: dir }: Manifest): void {
  if (dir !== '') return;
  const text = `run ${runId}: its manifest does not say where its dataset is (the original made it): give --dataset DIR`;
  throw new SkeinError('INVALID_INPUT', text, { fields: { field: '--dataset' } });
}
