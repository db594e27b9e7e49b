/** The setup of a run as it lies in the store. */
import { ARTIFACT_MARKERS, setupNeeds } from '../reference/setup.ts';
import { databasesOf, type Manifest } from '../run/manifest.ts';
import { callPatiently } from '../store/create-or-confirm.ts';
import { setupDatabasePrefix } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { comboOf } from './run-to-end.ts';

/** Whether all that the run requires of setup stands in the store: then nobody needs its dataset here. */
export async function isSetupThere(store: ObjectStore, manifest: Manifest): Promise<boolean> {
  const required = setupNeeds(comboOf(manifest)).filter((need) => need.isRequired);
  for (const { artifact } of required) {
    const marker = ARTIFACT_MARKERS[artifact];
    if (marker === undefined) return false;
    for (const database of databasesOf(manifest)) {
      const name = setupDatabasePrefix(manifest.run_id, artifact, database) + marker;
      const there = await callPatiently(`looking for ${name}`, {}, (signal) => store.stat(name, { signal }));
      if (!there) return false;
    }
  }
  return true;
}
