/**
 * The whole job in one process on `gs://`, on a machine of its own, with a line to the bucket that is bad in every way: at the
 * end the same rows and references as over a folder.
 */
import { readFile } from 'node:fs/promises';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { startBucketSite, type BucketSite } from '../helpers/containers/bucket-site.ts';
import { engineOrSkip, type Engine } from '../helpers/containers/engine.ts';
import { Machine } from '../helpers/containers/machine.ts';
import { rowsOf } from '../helpers/containers/run-facts.ts';

const DATASET = '/opt/skein/examples/mini-interact';
const BUCKET = 'skein-run';

const engine = engineOrSkip();

describe.skipIf(engine === undefined)('the whole job on gs:// in one process', () => {
  const stack = new AsyncDisposableStack();
  let site: BucketSite;
  let machine: Machine;

  beforeAll(async () => {
    site = stack.use(await startBucketSite(engine as Engine, BUCKET));
    const env = { SKEIN_GCS_ENDPOINT: site.line.innerUrl };
    machine = stack.use(await Machine.start(engine as Engine, site.network, { name: 'client', env }));
  });
  afterAll(() => stack.disposeAsync());
  afterEach(() => site.mend());

  /** The job with everything of its own in `/data/<name>`; its references' digests. */
  async function job(name: string, store: string): Promise<Readonly<Record<string, string>>> {
    const args = ['submit', '--dataset', DATASET, '--all', '--run-id', name, '--store', store, '--quiet'];
    const at = (folder: string) => `/data/${name}/${folder}`;
    const roots = ['--cache-root', at('caches'), '--reference-root', at('references'), '--out', at('out')];
    expect(await machine.skein([...args, ...roots])).toMatchObject({ code: 0, stderr: '' });
    return machine.referenceDigests(at('references'));
  }

  test('gives the rows and references that it gives over a folder, whatever the line does (V-07)', async () => {
    const expected = await job('folder', 'file:///data/folder/store');
    expect(Object.keys(expected).toSorted()).toEqual(['beehives', 'ferries', 'glassworks']);
    expect(await job('fair', `gs://${BUCKET}/fair`)).toEqual(expected);
    await site.storm.set({ kind: 'lose-answer', share: 0.2, methods: ['POST'] });
    expect(await job('lost', `gs://${BUCKET}/lost`)).toEqual(expected);
    // Six tries a call: of a few thousand calls none is refused each time.
    await site.storm.set({ kind: 'refuse', status: 503, share: 0.08 });
    expect(await job('refused', `gs://${BUCKET}/refused`)).toEqual(expected);

    const tasks = (await readFile('examples/mini-interact/mini_interact.jsonl', 'utf8')).trim().split('\n');
    const ids = tasks.map((line) => (JSON.parse(line) as { instance_id: string }).instance_id);
    expect(ids).toHaveLength(22);
    for (const name of ['fair', 'lost', 'refused']) {
      await using store = await site.truth(`gs://${BUCKET}/${name}`);
      expect(await rowsOf(store, name), name).toEqual({ ids: ids.toSorted((a, b) => (a < b ? -1 : 1)), others: [] });
    }
  });
});
