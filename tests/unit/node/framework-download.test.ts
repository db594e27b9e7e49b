import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { sha256 } from '../../../src/kernel/digest.ts';
import { ensureFramework } from '../../../src/node/framework-download.ts';
import { uploadFramework } from '../../../src/run/framework-upload.ts';
import { frameworkName } from '../../../src/store/layout.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const BYTES = Buffer.from('export default () => ({ runTask() {} });\n');
const DIGEST = sha256(BYTES);

describe('a framework in the store', () => {
  it('goes up once, and comes to a node by its digest', async () => {
    await using store = createMemoryStore();
    const dir = join(await temporaryFolder(), 'frameworks');
    const bundle = { digest: DIGEST, bytes: BYTES };
    expect(await uploadFramework(store, bundle)).toBe(true);
    expect(await uploadFramework(store, bundle)).toBe(false);
    const path = await ensureFramework({ store, dir }, DIGEST);
    expect(path).toBe(join(dir, `${DIGEST}.mjs`));
    expect((await readFile(path)).equals(BYTES)).toBe(true);
    // What stands there is taken: nothing is asked of the store.
    const standing = await store.stat(frameworkName(DIGEST));
    await store.remove(frameworkName(DIGEST), standing!.generation);
    expect(await ensureFramework({ store, dir }, DIGEST)).toBe(path);
  });

  it('is brought again where somebody changed it on the node', async () => {
    await using store = createMemoryStore();
    const dir = join(await temporaryFolder(), 'frameworks');
    await uploadFramework(store, { digest: DIGEST, bytes: BYTES });
    const path = await ensureFramework({ store, dir }, DIGEST);
    await writeFile(path, 'process.exit(1);');
    await ensureFramework({ store, dir }, DIGEST);
    expect((await readFile(path)).equals(BYTES)).toBe(true);
  });

  it('is neither uploaded over other bytes nor taken when its bytes are not what its name says', async () => {
    await using store = createMemoryStore();
    const dir = join(await temporaryFolder(), 'frameworks');
    await expect(ensureFramework({ store, dir }, DIGEST)).rejects.toThrow(/is not in .*; submit the run again/);
    await store.create(frameworkName(DIGEST), Buffer.from('process.exit(1);'));
    await expect(uploadFramework(store, { digest: DIGEST, bytes: BYTES })).rejects.toThrow(
      expect.objectContaining({
        code: 'PREFLIGHT',
        message: expect.stringContaining('other bytes than its name says'),
      }),
    );
    await expect(ensureFramework({ store, dir }, DIGEST)).rejects.toThrow(
      expect.objectContaining({ code: 'CORRUPT', message: expect.stringContaining('it is not run') }),
    );
    await expect(readFile(join(dir, `${DIGEST}.mjs`))).rejects.toThrow('ENOENT');
  });
});
