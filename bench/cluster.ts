/**
 * A cluster of real processes on this machine: tasks relayed by a head to two nodes beside a bare loop that writes the same
 * objects in two processes; what the head costs; how soon daemons, nodes and deaths are known.
 *
 * `SKEIN_BENCH_TASKS` is the length of the relayed run: 10,000 by default, 100,000 for the figure of the plan.
 */
import { execFile, spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { readStatus } from '../src/run/status.ts';
import { rowName } from '../src/store/layout.ts';
import { Cluster, type Daemon } from '../tests/helpers/cluster/cluster.ts';
import { makeNoopDataset, type NoopDataset } from '../tests/helpers/cluster/noop-dataset.ts';
import { waitUntil } from '../tests/helpers/wait-until.ts';
import type { CountingDaemon, StoreCounts } from './cluster/counting-daemon.ts';
import { usageOf } from './cluster/process-usage.ts';
import { atLeastRatio, atMost, median, type BenchRow } from './row.ts';

const TASKS = Number(process.env['SKEIN_BENCH_TASKS'] || 10_000);
const ACTORS_A_NODE = 8;
const ROUNDS = 5;
const COUNTING = fileURLToPath(new URL('cluster/counting-daemon.ts', import.meta.url));
const BARE = fileURLToPath(new URL('cluster/bare-objects.ts', import.meta.url));

const submitArgs = (dataset: NoopDataset, run: string): string[] => [
  ...['submit', '--dataset', dataset.dir, '--all', '--framework', 'noop', '--query-mode', 'raw'],
  ...['--run-id', run, '--detach', '--quiet'],
];

async function isDone(cluster: Cluster, run: string): Promise<boolean> {
  return (await readStatus(cluster.store, run))?.terminal_state === 'done';
}

/** Objects a second of the bare loop in two processes at once. */
async function bareObjectsPerSecond(from: string, to: string): Promise<number> {
  const parts = await Promise.all(
    [0, 1].map(async (part) => {
      const { stdout } = await promisify(execFile)(process.execPath, [BARE, from, to, String(part), '2'], {
        env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
      });
      return JSON.parse(stdout) as { seconds: number; objects: number };
    }),
  );
  const objects = parts.reduce((sum, part) => sum + part.objects, 0);
  return objects / Math.max(...parts.map(({ seconds }) => seconds));
}

async function relayedRows(): Promise<BenchRow[]> {
  await using cluster = await Cluster.start(2, ACTORS_A_NODE, { lostAfterS: 60 });
  const dataset = await makeNoopDataset(join(cluster.dir, 'dataset'), { tasks: TASKS, hasJournal: false });
  const idle = usageOf(cluster.head.process.pid);
  const begin = performance.now();
  await cluster.run(submitArgs(dataset, 'long'));
  const submittedS = (performance.now() - begin) / 1000;
  await waitUntil('the run is done', () => isDone(cluster, 'long'), 60_000 + TASKS * 20, 100);
  const seconds = (performance.now() - begin) / 1000;
  const head = usageOf(cluster.head.process.pid);
  const nodes = [...cluster.nodes.values()].map(({ process: { pid } }) => usageOf(pid));

  const runDir = join(fileURLToPath(cluster.storeUrl), 'runs', 'long');
  // Two objects a task: its row and its log.
  const bareTasks = (await bareObjectsPerSecond(runDir, join(cluster.dir, 'bare'))) / 2;
  const perThousand = (1000 * (head.cpuSeconds - idle.cpuSeconds)) / TASKS;
  const nodeCpu = nodes.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
  const name = `${TASKS.toLocaleString('en')} tasks`;
  return [
    atLeastRatio(
      `relayed no-op tasks, ${name}, 2 nodes`,
      'tasks/s',
      TASKS / seconds,
      bareTasks,
      0.4,
      `submit ${submittedS.toFixed(1)} s of ${seconds.toFixed(1)} s; nodes ${nodeCpu.toFixed(0)} s CPU`,
    ),
    atMost('head: memory when idle', 'MB', idle.rssMb, 120),
    atMost(`head: peak memory, ${name}`, 'MB', head.peakRssMb, 200, `${head.rssMb.toFixed(0)} MB at the end`),
    atMost('head: CPU for 1,000 tasks', 's', perThousand, 1, 'flat: the same for any length of run'),
  ];
}

/** What a task costs in store calls, with daemons whose stores count. */
async function storeCallRows(): Promise<BenchRow[]> {
  const tasks = 2_000;
  await using cluster = await Cluster.create();
  const dataset = await makeNoopDataset(join(cluster.dir, 'dataset'), { tasks, hasJournal: false });
  const dir = (name: string): string => join(cluster.dir, name);
  const common = { storeUrl: cluster.storeUrl };
  await using head = await startCounting({ kind: 'head', dataDir: dir('h'), ...common });
  const { address } = head;
  const node = { kind: 'node', ...common, address, tokenFile: join(dir('h'), 'token'), actors: ACTORS_A_NODE } as const;
  await using n1 = await startCounting({ ...node, dataDir: dir('n1') });
  await using n2 = await startCounting({ ...node, dataDir: dir('n2') });
  const own = { SKEIN_TOKEN_FILE: node.tokenFile, SKEIN_ADDRESS: address };
  await cluster.run(submitArgs(dataset, 'counted'), 0, own);
  await waitUntil('the run is done', () => isDone(cluster, 'counted'), 120_000, 50);
  const nodes = sum(await n1.counts(), await n2.counts());
  const heads = await head.counts();
  const of = (counts: StoreCounts, operation: RegExp): number =>
    Object.entries(counts).reduce((total, [kind, count]) => total + (operation.test(kind) ? count : 0), 0);
  const shown = (counts: StoreCounts): string =>
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', ');
  return [
    atMost(
      'store writes per task',
      'calls',
      of(sum(nodes, heads), /^(?:create|replace|remove)/) / tasks,
      3,
      shown(nodes),
    ),
    atMost('store reads per task', 'calls', of(sum(nodes, heads), /^(?:read|stat)/) / tasks, 1),
    atMost('listings in a run of 2,000 tasks', 'calls', of(sum(nodes, heads), /^list/), 10, `head: ${shown(heads)}`),
    atMost('listings of the whole bucket', 'calls', of(sum(nodes, heads), /^list the whole/), 0),
  ];
}

interface Counting extends AsyncDisposable {
  readonly address: string;
  /** Ends the daemon. What it asked of its store. */
  counts(): Promise<StoreCounts>;
}

async function startCounting(daemon: CountingDaemon): Promise<Counting> {
  const child = spawn(process.execPath, [COUNTING, JSON.stringify(daemon)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => String((await lines.next()).value);
  return {
    address: await next(),
    counts: async () => {
      child.kill('SIGTERM');
      return JSON.parse(await next()) as StoreCounts;
    },
    [Symbol.asyncDispose]: async () => void child.kill('SIGKILL'),
  };
}

function sum(...all: readonly StoreCounts[]): StoreCounts {
  const total: StoreCounts = {};
  for (const counts of all)
    for (const [kind, count] of Object.entries(counts)) total[kind] = (total[kind] ?? 0) + count;
  return total;
}

async function startRows(): Promise<BenchRow[]> {
  const headMs: number[] = [];
  const joinMs: number[] = [];
  const spawnMs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await using cluster = await Cluster.create({ lostAfterS: 60 });
    headMs.push(await readyMs(cluster.head));
    const dataset = await makeNoopDataset(join(cluster.dir, 'dataset'), { tasks: 4 });
    await cluster.run(submitArgs(dataset, 'first'));
    const node = await cluster.node('n1', 2);
    const spawned = Date.now();
    await readyMs(node);
    const ready = (await stat(join(node.dataDir, 'ready.json'))).mtimeMs;
    await waitUntil('a task has started', async () => (await dataset.records()).length > 0, 20_000);
    const [first] = await dataset.records();
    joinMs.push((first?.at_ms ?? Number.NaN) - ready);
    spawnMs.push((first?.at_ms ?? Number.NaN) - spawned);
  }
  return [
    atMost('start --head to ready', 'ms', median(headMs), 500, `max ${Math.max(...headMs).toFixed(0)}`),
    atMost(
      'node joined to its first task',
      'ms',
      median(joinMs),
      500,
      `max ${Math.max(...joinMs).toFixed(0)}; from its spawn ${median(spawnMs).toFixed(0)}`,
    ),
  ];
}

/** From spawn to the ready file's own time: polling does not blur it. */
async function readyMs(daemon: Daemon): Promise<number> {
  const begin = Date.now();
  await daemon.start();
  return (await stat(join(daemon.dataDir, 'ready.json'))).mtimeMs - begin;
}

async function deathRows(): Promise<BenchRow[]> {
  await using cluster = await Cluster.start(1, 4, { lostAfterS: 60 });
  // Each ends its actor at the first attempt.
  const dataset = await makeNoopDataset(join(cluster.dir, 'dataset'), { tasks: 20, fields: () => ({ noop_dies: 1 }) });
  await cluster.run(submitArgs(dataset, 'deaths'));
  await waitUntil('the run is done', () => isDone(cluster, 'deaths'), 60_000);
  const rowMs: number[] = [];
  for (const { what, instance_id, attempt, at_ms } of await dataset.records()) {
    if (what !== 'start' || attempt !== 1) continue;
    const path = join(fileURLToPath(cluster.storeUrl), rowName('deaths', instance_id, 1));
    rowMs.push((await stat(path)).mtimeMs - at_ms);
  }

  const killMs: number[] = [];
  const powerMs: number[] = [];
  const node = await cluster.node('n1');
  using client = await cluster.headClient();
  const isKnown = async (): Promise<boolean> => {
    const { nodes } = await client.status();
    return !nodes.some(({ node: name, state }) => name === 'n1' && state === 1);
  };
  const isJoined = async (): Promise<boolean> => !(await isKnown());
  for (let round = 0; round < 3; round += 1) {
    await waitUntil('the node has joined', isJoined, 20_000);
    let begin = performance.now();
    await node.kill();
    await waitUntil('the head knows', isKnown, 20_000);
    killMs.push(performance.now() - begin);
    await node.start();
    // As when the machine loses its power: nobody closes the connection.
    if (round > 0) continue;
    await waitUntil('the node has joined', isJoined, 20_000);
    begin = performance.now();
    node.link.cut();
    await node.kill();
    await waitUntil('the head knows', isKnown, 20_000);
    powerMs.push((performance.now() - begin) / 1000);
    node.link.reset();
    node.link.heal();
    await node.start();
  }
  return [
    atMost(
      'actor death → its row stored',
      'ms',
      median(rowMs),
      50,
      `max ${Math.max(...rowMs).toFixed(0)} of ${rowMs.length}`,
    ),
    atMost('SIGKILL of a node → known at the head', 'ms', median(killMs), 8_000),
    atMost('a node without power → known at the head', 's', median(powerMs), 8, 'keepalive of 4.5 + 2.5 s'),
  ];
}

async function submitRows(): Promise<BenchRow[]> {
  const secondsOf: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    await using cluster = await Cluster.start(0, 1);
    const dataset = await makeNoopDataset(join(cluster.dir, 'dataset'), { tasks: 10_000, hasJournal: false });
    const begin = performance.now();
    await cluster.run(submitArgs(dataset, 'many'));
    secondsOf.push((performance.now() - begin) / 1000);
  }
  return [
    atMost('submit of 10,000 ids, detached', 's', median(secondsOf), 2, 'the whole command, dataset upload included'),
  ];
}

export async function run(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const part of [startRows, submitRows, deathRows, storeCallRows, relayedRows]) rows.push(...(await part()));
  return rows;
}
