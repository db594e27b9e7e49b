import { randomUUID } from 'node:crypto';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { describeDataset, uploadDataset } from '../../../src/run/dataset-upload.ts';
import { datasetPrefix, datasetTasksName } from '../../../src/store/layout.ts';
import { openMemoryStore } from '../../../src/store/memory.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { listAll } from '../../../src/store/prefix.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';

const freshStore = (): ObjectStore => openMemoryStore(`memory:${randomUUID()}`);

async function dataset() {
  const dir = await temporaryFolder();
  for (const database of ['ants', 'bees']) {
    await mkdir(join(dir, database, 'more'), { recursive: true });
    await writeFile(join(dir, database, `${database}.sqlite`), `database of ${database}`);
    await writeFile(join(dir, database, 'more', 'x.json'), '{}');
  }
  await writeFile(join(dir, 'tasks.jsonl'), '{"instance_id": "ants_1"}\n');
  return { dir, tasksPath: join(dir, 'tasks.jsonl'), databases: ['ants', 'bees'] };
}

async function names(store: ObjectStore): Promise<string[]> {
  return (await Array.fromAsync(listAll(store, ''))).map(({ name }) => name);
}

describe('a dataset on its way to the nodes', () => {
  it('lies under its content, with a marker per database that names every file, and goes up once (B-07, V-05)', async () => {
    const place = await dataset();
    const store = freshStore();
    const description = await describeDataset(place);
    const { ants = '', bees = '' } = description.content.databases;
    expect((await uploadDataset(store, description)).uploaded).toEqual(['ants', 'bees']);
    expect(await names(store)).toEqual(
      [
        ...['_upload_complete', 'ants.sqlite', 'more/x.json'].map((path) => datasetPrefix('ants', ants) + path),
        ...['_upload_complete', 'bees.sqlite', 'more/x.json'].map((path) => datasetPrefix('bees', bees) + path),
        datasetTasksName(description.content.tasks),
      ].sort(),
    );
    const marker = await store.read(`${datasetPrefix('ants', ants)}_upload_complete`);
    expect(JSON.parse(marker?.bytes.toString() ?? '')).toEqual({ files: description.databases[0]?.files });
    const again = await uploadDataset(store, await describeDataset(place));
    expect(again).toEqual({ uploaded: [], unchanged: ['ants', 'bees'], bytes: 0 });
  });

  it('has the same digests wherever it lies, and another one as soon as a byte or a name differs (V-05, V-21)', async () => {
    const place = await dataset();
    const { content } = await describeDataset(place);
    const copy = join(await temporaryFolder(), 'copy');
    await cp(place.dir, copy, { recursive: true });
    const moved = { dir: copy, tasksPath: join(copy, 'tasks.jsonl'), databases: ['bees', 'ants'] };
    expect((await describeDataset(moved)).content).toEqual(content);
    await writeFile(join(copy, 'ants', 'ants.sqlite'), 'database of Ants');
    const changed = (await describeDataset(moved)).content;
    expect(changed.databases['ants']).not.toBe(content.databases['ants']);
    expect(changed.databases['bees']).toBe(content.databases['bees']);
  });

  it('that was cut off is completed, scrap of it replaced, and the marker comes last (B-07)', async () => {
    const place = await dataset();
    const store = freshStore();
    const description = await describeDataset(place);
    const prefix = datasetPrefix('ants', description.content.databases['ants'] ?? '');
    await store.create(`${prefix}ants.sqlite`, Buffer.from('data'));
    const order: string[] = [];
    const create = store.create.bind(store);
    store.create = (name, ...rest) => {
      order.push(name);
      return create(name, ...rest);
    };
    await uploadDataset(store, description);
    expect((await store.read(`${prefix}ants.sqlite`))?.bytes.toString()).toBe('database of ants');
    expect(order.filter((name) => name.startsWith(prefix)).at(-1)).toBe(`${prefix}_upload_complete`);
  });

  it('takes files behind links, leaves version control behind, and refuses a file that changes meanwhile (V-05)', async () => {
    const place = await dataset();
    await writeFile(join(place.dir, 'elsewhere'), 'linked');
    await symlink(join(place.dir, 'elsewhere'), join(place.dir, 'ants', 'link'));
    await mkdir(join(place.dir, 'ants', '.git'));
    await writeFile(join(place.dir, 'ants', '.git', 'HEAD'), 'x');
    const description = await describeDataset(place);
    expect(Object.keys(description.databases[0]?.files ?? {})).toEqual(['ants.sqlite', 'link', 'more/x.json']);
    await writeFile(join(place.dir, 'bees', 'bees.sqlite'), 'changed');
    const store = freshStore();
    await expect(uploadDataset(store, description)).rejects.toThrow(/bees\.sqlite changed while the dataset went up/);
    const bees = datasetPrefix('bees', description.content.databases['bees'] ?? '');
    expect(await names(store)).not.toContain(`${bees}_upload_complete`);
  });
});
