/** The real head with two real nodes on data dirs of their own: one encode a database, and references equal to one machine's. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it, onTestFinished } from 'vitest';

import { openDataset } from '../../src/dataset/dataset.ts';
import { encoderNamed } from '../../src/encoder/registry.ts';
import { RunState } from '../../src/gen/skein/v1/run.ts';
import { Head } from '../../src/head/head.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { buildReference } from '../../src/reference/build-reference.ts';
import { openDirectoryStore } from '../../src/store/directory.ts';
import { shardsPrefix } from '../../src/store/layout.ts';
import { HeadClient } from '../../src/wire/head-client.ts';
import { submitToStore } from '../helpers/cluster-run.ts';
import { startDataDirNode } from '../helpers/data-dir-node.ts';
import { EXAMPLE_DATASET } from '../helpers/skein.ts';
import { namesIn, temporaryFolder } from '../helpers/store-fixtures.ts';
import { waitUntil } from '../helpers/wait-until.ts';

describe('two nodes of one head', () => {
  it('run all tasks once, and encode each database once, as one machine would (P-08)', async () => {
    const folder = temporaryFolder();
    onTestFinished(() => folder[Symbol.dispose]());
    const dir = folder.path;
    await using store = await openDirectoryStore(pathToFileURL(join(dir, 'bucket')).href);
    const dataset = await openDataset(EXAMPLE_DATASET);
    const ids = dataset.tasks.map(({ instance_id }) => instance_id);
    const cacheRoot = join(dir, 'cache');
    await submitToStore(store, { runId: 'r1', datasetDir: EXAMPLE_DATASET, cacheRoot, ids });

    const security = { token: 'secret' };
    const log = createLogger();
    const identity = { headId: 'h', bootId: randomUUID() };
    await using head = await Head.start({ store, security, log, kind: 'daemon', ...identity });
    const starting = ['one', 'two'].map((name) =>
      startDataDirNode({
        name,
        dataDir: join(dir, name),
        address: head.address,
        security,
        store,
        logPath: join(dir, `${name}.log`),
      }),
    );
    await using one = (await starting[0])!;
    await using two = (await starting[1])!;
    using client = new HeadClient(head.address, security);
    await client.startRun('r1', 0);
    let last: RunState | undefined;
    for await (const progress of client.watchRun('r1')) last = progress.state;
    expect(last).toBe(RunState.DONE);

    const rows = await namesIn(store, 'runs/r1/rows/');
    expect(rows.map((name) => name.split('/').slice(3).join('/'))).toEqual(
      ids.toSorted().map((id) => `${id}/attempt-1.json`),
    );
    for (const name of rows) {
      const row = JSON.parse((await store.read(name))!.bytes.toString()) as { error: string | null };
      expect(row.error, name).toBeNull();
    }
    const complete = (await namesIn(store, shardsPrefix('r1'))).filter((name) => name.endsWith('/_upload_complete'));
    expect(complete.map((name) => name.split('/').at(-2) ?? '').sort()).toEqual(['beehives', 'ferries', 'glassworks']);
    for (const name of complete) {
      const database = name.split('/').at(-2) ?? '';
      const record = await store.read(name.replace('_upload_complete', '_skein_shard.json'));
      const alone = await buildReference({
        database,
        datasetDir: EXAMPLE_DATASET,
        cacheRoot,
        referenceRoot: join(dir, 'alone'),
        setupSessionsRoot: join(dir, 'sessions'),
        encoder: encoderNamed('rules'),
        lock: async () => ({ verify: async () => {}, release: async () => {} }),
      });
      expect((JSON.parse(record!.bytes.toString()) as { content_digest: string }).content_digest, database).toBe(
        alone.digest,
      );
    }
    await waitUntil('nothing is held any more', () => one.held.length + two.held.length === 0);
    for (const name of ['one', 'two']) {
      expect(await readFile(join(dir, `${name}.log`), 'utf8'), name).not.toMatch(/"level":50/);
    }
  });
});
