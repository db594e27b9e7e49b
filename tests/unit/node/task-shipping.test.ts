/** What a task leaves behind, on its way to the store. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { blankRow } from '../../../src/frameworks/error-row.ts';
import { SkeinError } from '../../../src/kernel/errors.ts';
import { createLogger } from '../../../src/kernel/log.ts';
import { Shipper } from '../../../src/node/shipper.ts';
import { Snapshots } from '../../../src/node/snapshots.ts';
import type { TaskEnd } from '../../../src/node/task-end.ts';
import { TaskShipping } from '../../../src/node/task-shipping.ts';
import { UploadBack } from '../../../src/node/upload-back.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { reference, tempDir, writeTree } from '../../helpers/shards.ts';
import { taskOf } from '../../helpers/task-of.ts';
import { encodeSettings } from '../../helpers/run-settings.ts';

type Shipped = Parameters<UploadBack['task']>[0];

/** A task that ended with everything there can be; what was created, in its order, and what was said of its end. */
async function ship(refused = /^$/) {
  await using temp = await tempDir();
  const [scratchDir, sessions, references] = ['scratch', 'sessions', 'references'].map((name) => join(temp.dir, name));
  await mkdir(scratchDir!);
  await writeFile(join(scratchDir!, 'INDEX.md'), '#');
  await writeTree(join(sessions!, 'shop'), { 'kb_1.md': '1' });
  await writeTree(join(references!, 'shop'), reference('x'));

  const created: string[] = [];
  const store = createMemoryStore();
  const create = store.create.bind(store);
  store.create = (name, ...rest) => {
    // Not tried again by itself.
    if (refused.test(name)) throw new SkeinError('DISK_FULL', `${name}: no space`);
    created.push(name.replace('runs/r1/', '').replace(/\/slayer_models_otf\/[^/]+/, ''));
    return create(name, ...rest);
  };
  const log = createLogger();
  const shipper = new Shipper({ store, runId: 'r1', log });
  const place = { datasetDir: temp.dir, databasePath: '', cacheRoot: temp.dir, referenceRoot: references! };
  const uploadBack = await UploadBack.open({
    store,
    runId: 'r1',
    shipper,
    log,
    signal: new AbortController().signal,
    placeOf: () => ({ ...place, reference: { kind: 'build', epoch: 0 } }),
    settings: encodeSettings(['shop']),
  });
  const ends: TaskEnd[] = [];
  const ended = (_: unknown, end: TaskEnd): void => void ends.push(end);
  const shipping = new TaskShipping({ runId: 'r1', shipper, uploadBack, spool: undefined, log, ended });
  const task = taskOf({ instance_id: 'shop_1', selected_database: 'shop' });
  const assignment = { task, scratchDir, setupSessionsRoot: sessions };
  const all = new Snapshots({ store, runId: 'r1', shipper, everyMs: 0 });
  const snapshots = all.begin({ instanceId: 'shop_1', attempt: 1, scratchDir: scratchDir! });
  const left = { assignment, actor: { name: 'a0' }, startedMs: 0, log: Buffer.from('hello\n'), snapshots };
  const rest = left as unknown as Shipped;
  shipping.ship({ instanceId: 'shop_1', attempt: 1, database: 'shop' }, blankRow(task, 1), rest);
  await shipping.settle(0);
  return { created, ends, failures: shipper.failures };
}

test('goes as row, log, bundle, setup sessions, reference, each whole before the next begins (W-10, Q-10)', async () => {
  const { created, ends, failures } = await ship();
  expect([ends, failures]).toEqual([[{ kind: 'ok' }], {}]);
  const kinds = created.map((name) => name.split('/').slice(0, 2).join('/'));
  expect(kinds.filter((kind, at) => kind !== kinds[at - 1])).toEqual([
    'rows/shop_1',
    'logs/shop_1',
    'sessions/shop_1',
    'sessions/_setup_sessions',
    'post_run/shop',
  ]);
});

test.each([
  ['log', /\/logs\//],
  ['debug-bundle', /\/sessions\/shop_1\//],
  ['setup-sessions', /\/_setup_sessions\//],
  ['reference-shard', /\/post_run\//],
])(
  'a %s that the store refuses costs neither the row nor the others, and is counted (U-06, M2, Q-08, Q-11)',
  async (kind, name) => {
    const { created, ends, failures } = await ship(name);
    expect(ends).toEqual([{ kind: 'ok' }]);
    expect(failures).toEqual({ [kind]: 1 });
    expect(created[0]).toBe('rows/shop_1/attempt-1.json');
    expect(new Set(created.map((one) => one.split('/').slice(0, 2).join('/'))).size).toBe(4);
  },
);
