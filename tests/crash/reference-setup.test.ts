import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { FAIL_POINTS } from '../../src/kernel/failpoint.ts';
import { LockKeeper } from '../../src/node/lock-keeper.ts';
import { downloadSetup } from '../../src/node/setup-download.ts';
import { uploadSetup } from '../../src/reference/setup-upload.ts';
import { setupDatabasePrefix } from '../../src/store/layout.ts';
import { openStore } from '../../src/store/open.ts';
import { readTree, reference, tempDir, writeTree } from '../helpers/shards.ts';

const CHILD = fileURLToPath(new URL('./setup-child.ts', import.meta.url));
const POINTS = FAIL_POINTS.filter((point) => point.startsWith('setup.'));
const COMBO = { queryMode: 'slayer', slayerSetup: 'on-the-fly', framework: 'encode' };
const DATABASES = ['shop', 'farm'];

describe('shipping a setup that is killed', () => {
  it.for(POINTS)(
    'at %s leaves markers over whole folders only, and shipping again ends whole (S-03)',
    async (point) => {
      await using temp = await tempDir();
      const rootsOf = (name: string) => ({
        slayer_otf_cache: join(temp.dir, name, 'caches'),
        slayer_models_otf: join(temp.dir, name, 'references'),
      });
      const [here, there] = [rootsOf('here'), rootsOf('there')];
      const cache = { '_cache_fp.txt': 'fp', '_kb_rows.json': '[]', 'models/m/a.yaml': 'a', 'models/m/b.yaml': 'b' };
      for (const database of DATABASES) {
        await writeTree(join(here.slayer_otf_cache, database), cache);
        await writeTree(join(here.slayer_models_otf, database), reference(database));
      }
      const url = `file://${join(temp.dir, 'store')}`;
      const child = spawn(process.execPath, [CHILD, url, join(temp.dir, 'here'), point], { stdio: 'inherit' });
      expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);

      await using store = await openStore(url);
      for (const database of DATABASES) {
        const prefix = setupDatabasePrefix('r1', 'slayer_otf_cache', database);
        const names = (await store.list(prefix)).objects.map(({ name }) => name.slice(prefix.length));
        if (names.includes('_cache_fp.txt')) expect(names.sort()).toEqual(Object.keys(cache).sort());
      }
      const upload = { combo: COMBO, roots: here, databases: DATABASES };
      const kinds = (await uploadSetup(store, 'r1', upload)).map(({ kind }) => kind);
      expect(kinds).not.toContain('absent');
      if (point === 'setup.after-upload') expect(new Set(kinds)).toEqual(new Set(['unchanged']));
      await using locks = new LockKeeper();
      await downloadSetup({ store, runId: 'r1', combo: COMBO, roots: there, databases: DATABASES, locks });
      for (const database of DATABASES) {
        expect(await readTree(join(there.slayer_otf_cache, database))).toEqual(cache);
        expect(await readTree(join(there.slayer_models_otf, database))).toEqual(reference(database));
      }
    },
  );
});
