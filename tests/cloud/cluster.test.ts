/**
 * The whole job on machines of their own: head, two nodes and a client in containers, the bucket behind a bad line. Whatever
 * happens in the middle of a run, it ends by itself with a row for every id, and with the references of a run in one process.
 */
import { readFile } from 'node:fs/promises';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { startBucketSite, type BucketSite } from '../helpers/containers/bucket-site.ts';
import { layHeadLine, startMachineCluster, type MachineCluster } from '../helpers/containers/cluster.ts';
import { engineOrSkip, type Engine } from '../helpers/containers/engine.ts';
import { Machine } from '../helpers/containers/machine.ts';
import { rowsOf } from '../helpers/containers/run-facts.ts';
import type { Line } from '../helpers/containers/toxiproxy.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const DATASET = '/opt/skein/examples/mini-interact';
const BUCKET = 'skein-cluster';
const RUN = 'r1';

const engine = engineOrSkip();

describe.skipIf(engine === undefined)('the whole job on machines of their own', () => {
  const stack = new AsyncDisposableStack();
  let site: BucketSite;
  let headLine: Line;
  let clusters = 0;
  let ids: readonly string[];
  /** The digests of the references that one process alone builds. */
  let expected: Readonly<Record<string, string>>;

  beforeAll(async () => {
    site = stack.use(await startBucketSite(engine as Engine, BUCKET, { backend: 'filesystem' }));
    headLine = await layHeadLine(site);
    const tasks = (await readFile('examples/mini-interact/mini_interact.jsonl', 'utf8')).trim().split('\n');
    ids = tasks.map((line) => (JSON.parse(line) as { instance_id: string }).instance_id).toSorted(inOrder);
    await using alone = await Machine.start(engine as Engine, site.network, { name: 'alone' });
    expect(await alone.skein(['submit', '--dataset', DATASET, '--all', '--quiet'])).toMatchObject({ code: 0 });
    expected = await alone.referenceDigests('/data/skein-data/slayer_models_otf');
    expect(Object.keys(expected)).toHaveLength(3);
  });
  afterAll(() => stack.disposeAsync());
  afterEach(async () => {
    await site.mend();
    await headLine.mend();
  });

  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  interface Fault {
    readonly name: string;
    /** From the first rows on. When it returns all is well again. */
    readonly happen: (cluster: MachineCluster) => Promise<void>;
    /** Tasks may have been lost and started again. */
    readonly mayRetry?: boolean;
  }

  const FAULTS: readonly Fault[] = [
    {
      name: 'answers of done writes are lost, then a storm of 503',
      happen: async () => {
        await site.storm.set({ kind: 'lose-answer', share: 0.4, methods: ['POST'] });
        await pause(4_000);
        await site.storm.set({ kind: 'refuse', status: 503, share: 0.9 });
        await pause(4_000);
      },
    },
    {
      name: 'the bucket is a black hole, then the emulator is started again',
      happen: async () => {
        await site.line.spoil({ type: 'timeout', attributes: { timeout: 0 } });
        await pause(5_000);
        await site.mend();
        await site.gcs.container.restart();
      },
    },
    {
      name: 'a node is killed and started again, then the head is a black hole to both',
      mayRetry: true,
      happen: async ({ nodes: [node] }) => {
        await node.kill();
        await node.startAgain();
        await headLine.spoil({ type: 'timeout', attributes: { timeout: 0 } });
        await pause(9_000);
      },
    },
    {
      name: 'the head is killed and started again',
      happen: async ({ head }) => {
        await head.kill();
        await head.startAgain();
      },
    },
  ];

  test.each(FAULTS)('ends with every row and reference: $name (P-45)', async ({ happen, mayRetry = false }) => {
    clusters += 1;
    const url = `gs://${BUCKET}/${clusters}`;
    await using cluster = await startMachineCluster({ engine: engine as Engine, site, headLine }, url);
    await using store = await site.truth(url);
    // A bucket that is far away, so that there is a middle of the run.
    await site.line.spoil({ type: 'latency', attributes: { latency: 40 } });
    let ended = false;
    const submitted = cluster
      .skein(['submit', '--dataset', DATASET, '--all', '--run-id', RUN, '--quiet'])
      .finally(() => (ended = true));
    await waitUntil('first rows', async () => ended || (await rowsOf(store, RUN)).ids.length >= 2, 60_000);
    const before = (await rowsOf(store, RUN)).ids.length;
    await happen(cluster);
    await site.mend();
    await headLine.mend();
    const end = await submitted;
    // The client is on the same bad line, and may give up with a word on how to go on.
    expect([0, 3], `${end.stderr}\n${await cluster.diary()}`).toContain(end.code);
    for (const command of ['wait', 'fetch']) {
      const { code, stderr } = await cluster.skein([command, RUN, '--quiet']);
      expect({ command, code, stderr }, await cluster.diary()).toEqual({ command, code: 0, stderr: '' });
    }
    // The fault was in time.
    expect(before).toBeLessThan(ids.length);

    const rows = await rowsOf(store, RUN);
    expect(rows.ids).toEqual(ids);
    if (!mayRetry) expect(rows.others).toEqual([]);
    else expect(rows.others.filter((row) => !row.endsWith('/attempt-2.json'))).toEqual([]);
    const report = await cluster.client.run(['cat', '/data/skein-data/out/merge_report.json']);
    const references = await cluster.client.referenceDigests('/data/skein-data/slayer_models_otf');
    expect(references, `${report.stdout}\n${await cluster.diary()}`).toEqual(expected);
  });
});

function inOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
