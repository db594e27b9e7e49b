/**
 * `skein list` of a store in a folder with 1,000 runs of 300 ids: the command's own time, and the calls that it makes of its
 * store. In the note, a bare loop over the same files.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { jsonBytes } from '../src/kernel/json.ts';
import { makeManifest } from '../src/run/manifest.ts';
import { indexOf } from '../src/run/run-index.ts';
import { listRuns } from '../src/run/run-list.ts';
import { makeStatus } from '../src/run/status.ts';
import { manifestName, rowName, runIndexName, statusName } from '../src/store/layout.ts';
import { openStore } from '../src/store/open.ts';
import type { ObjectStore } from '../src/store/port.ts';
import { atMost, median, type BenchRow } from './row.ts';
import { runSkein } from './run-skein.ts';

const RUNS = 1_000;
const IDS = 300;
/** Rows of each run that really lie there: enough for a scan of them to show. */
const ROWS = 20;
const ROUNDS = 5;

/** Files as a store leaves them; written plainly, since a sync each is not what is measured. */
function fill(dir: string): void {
  const put = (name: string, value: unknown): void => {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, jsonBytes(value, 2));
  };
  const ids = Array.from({ length: IDS }, (_, index) => `database_${index % 24}_${index}`);
  const databases = Object.fromEntries(ids.map((id, index) => [id, `database_${index % 24}`]));
  for (let index = 0; index < RUNS; index += 1) {
    const runId = `run-${String(index).padStart(4, '0')}`;
    const manifest = makeManifest({
      run_id: runId,
      instance_ids: ids as [string, ...string[]],
      databases,
      created_at_ms: Date.now() - index * 60_000,
    });
    put(manifestName(runId), manifest);
    put(runIndexName(runId), indexOf(manifest));
    const tallies = Array.from({ length: 24 }, (_, at) => ({ database: `database_${at}`, total: 12, done: 12 }));
    const isLive = index % 50 === 0;
    put(
      statusName(runId),
      makeStatus({
        last_heartbeat_ts: Date.now() / 1000,
        rows_done: IDS,
        rows_ok: IDS,
        rows_total: IDS,
        terminal_state: isLive ? null : 'done',
        databases: tallies,
      }),
    );
    for (const id of ids.slice(0, ROWS)) put(rowName(runId, id, 1), { instance_id: id, error: null });
  }
}

function counting(store: ObjectStore, count: () => void): ObjectStore {
  return new Proxy(store, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        count();
        return value.apply(target, args) as unknown;
      };
    },
  });
}

/** Milliseconds of a loop that reads and parses the same two files of every run. */
function bareMs(dir: string): number {
  const begin = performance.now();
  let done = 0;
  for (const runId of readdirSync(join(dir, 'runs'))) {
    for (const name of [runIndexName(runId), statusName(runId)]) {
      const value = JSON.parse(readFileSync(join(dir, name), 'utf8')) as { rows_done?: number };
      done += value.rows_done ?? 0;
    }
  }
  if (done !== RUNS * IDS) throw new Error(`the bare loop found ${done} rows`);
  return performance.now() - begin;
}

export async function run(): Promise<BenchRow[]> {
  const dir = mkdtempSync(join(tmpdir(), 'skein-bench-'));
  try {
    fill(dir);
    const store = `file://${dir}`;
    const times: number[] = [];
    const bare: number[] = [];
    let peakMb = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const { seconds, peakRssMb, stdout } = await runSkein(['list', '--store', store, '--json']);
      const { runs } = JSON.parse(stdout) as { runs: unknown[] };
      if (runs.length !== RUNS) throw new Error(`${runs.length} runs listed`);
      times.push(seconds);
      peakMb = Math.max(peakMb, peakRssMb);
      bare.push(bareMs(dir));
    }
    await using opened = await openStore(store);
    let calls = 0;
    await listRuns(counting(opened, () => (calls += 1)));
    const note = `worst of ${ROUNDS} ${Math.max(...times).toFixed(2)} s, bare loop ${median(bare).toFixed(0)} ms`;
    return [
      atMost(`skein list, ${RUNS.toLocaleString('en')} runs of ${IDS} ids`, 's', median(times), 1, note),
      atMost('calls of the store for each of them', 'calls', calls / RUNS, 2.1),
      atMost('peak memory of skein list', 'MB', peakMb, 200),
    ];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
