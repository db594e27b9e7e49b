/**
 * The set-full checker: an account of every acknowledged submit and of every row from the moment it was first seen, held
 * against what the bucket has at the end, and against the journal that the tasks themselves wrote.
 *
 * Safety is asserted at every look, not at the end only:
 * S1 a row object that was seen stays, byte for byte. S2 every row belongs to an id and run that was submitted. S3 no
 * attempt begins while an earlier one has a real row under its own name (two effects that both count). S4 a run that says it is
 * done has a row for every id, and still has. S5 after `done` nothing is added but late and duplicate rows.
 */
import { createHash } from 'node:crypto';

import { TRANSCRIPT_FILE } from '../../../src/frameworks/transcript.ts';
import type { NoopRecord } from '../../../src/frameworks/noop.ts';
import { canonicalRow, groupRowPaths, isSyntheticRow, type RowFile } from '../../../src/run/canonical-row.ts';
import { readStatus } from '../../../src/run/status.ts';
import { rowsPrefix } from '../../../src/store/layout.ts';
import type { ObjectStore } from '../../../src/store/port.ts';
import { listAll } from '../../../src/store/prefix.ts';
import type { LogLine } from './daemon-log.ts';

/** Something that a test did to the cluster. */
export interface Fault {
  readonly kind: string;
  readonly target: string;
  readonly fromMs: number;
  /** When what was broken was mended (started, thawed, healed); absent: it never was. */
  mendedMs?: number;
  /** Milliseconds until the head knew, where that can be told. */
  detectedMs?: number;
  /** Milliseconds from the mending until a task started there again. */
  recoveredMs?: number;
}

export interface Report {
  readonly submitted: number;
  /** Ids that have a row. */
  readonly rows: number;
  readonly lost: readonly string[];
  /** Rows of ids that nobody submitted. */
  readonly unexpected: readonly string[];
  /** Ids of which two effects count. */
  readonly doubled: readonly string[];
  readonly late: number;
  readonly duplicates: number;
  readonly synthetic: number;
  /** Starts that the tasks wrote down. */
  readonly starts: number;
  /** Starts beyond one per id. */
  readonly wasted: number;
  /** (task, attempt) that started more than once: `run/id#attempt`. */
  readonly restarted: readonly string[];
  /** Those of them for which no head logged a reason. */
  readonly unexplained: readonly string[];
  readonly faults: readonly Fault[];
}

interface SeenRow {
  readonly generation: string;
  readonly digest: string;
  readonly isSynthetic: boolean;
  readonly seenMs: number;
}

interface WatchedRun {
  readonly ids: ReadonlySet<string>;
  readonly rows: Map<string, SeenRow>;
  doneMs: number | undefined;
}

export class Checker {
  readonly faults: Fault[] = [];
  readonly #store: ObjectStore;
  readonly #runs = new Map<string, WatchedRun>();
  #looks = 0;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** `ids` were accepted as `runId`: from now on each of them must end with a row. */
  acknowledged(runId: string, ids: readonly string[]): void {
    this.#runs.set(runId, { ids: new Set(ids), rows: new Map(), doneMs: undefined });
  }

  fault(kind: string, target: string): Fault {
    const fault: Fault = { kind, target, fromMs: Date.now() };
    this.faults.push(fault);
    return fault;
  }

  get looks(): number {
    return this.#looks;
  }

  /** Ids with a row and ids in all, as of the last look. */
  get progress(): { readonly rows: number; readonly of: number } {
    let rows = 0;
    let of = 0;
    for (const run of this.#runs.values()) {
      rows += idsOf(run).size;
      of += run.ids.size;
    }
    return { rows, of };
  }

  get isAllDone(): boolean {
    return [...this.#runs.values()].every(({ doneMs }) => doneMs !== undefined);
  }

  /** Looks at every run. @throws Error that names what broke, the moment it is seen */
  async look(): Promise<void> {
    this.#looks += 1;
    for (const [runId, run] of this.#runs) await this.#lookAt(runId, run);
  }

  async #lookAt(runId: string, run: WatchedRun): Promise<void> {
    const prefix = rowsPrefix(runId);
    // The state first: whatever it says must hold for the rows that are read after it.
    const status = await readStatus(this.#store, runId);
    const now = new Map<string, string>();
    for await (const { name, generation } of listAll(this.#store, prefix)) {
      // A transcript lies beside the rows and grows.
      if (!name.endsWith(`/${TRANSCRIPT_FILE}`)) now.set(name.slice(prefix.length), generation);
    }
    for (const [path, { generation }] of run.rows) {
      const standing = now.get(path);
      if (standing !== generation) {
        throw new Error(`${runId}: row ${path} ${standing === undefined ? 'is gone' : 'was written again'}`);
      }
    }
    for (const [path, generation] of now) {
      if (run.rows.has(path)) continue;
      const [file] = groupRowPaths([path]).values().next().value ?? [];
      if (!file) throw new Error(`${runId}: ${path} is no row`);
      if (!run.ids.has(file.instanceId))
        throw new Error(`${runId}: a row of ${file.instanceId}, which nobody submitted`);
      const stored = await this.#store.read(prefix + path);
      if (!stored) throw new Error(`${runId}: row ${path} was listed and is gone`);
      const row = JSON.parse(Buffer.from(stored.bytes).toString()) as Record<string, unknown>;
      if (run.doneMs !== undefined && file.kind === 'row') {
        throw new Error(`${runId}: row ${path} came after the run was done`);
      }
      run.rows.set(path, {
        generation,
        digest: digestOf(stored.bytes),
        isSynthetic: isSyntheticRow(row),
        seenMs: Date.now(),
      });
    }
    const doubled = doubledIds(run);
    if (doubled.length > 0) throw new Error(`${runId}: two effects count for ${doubled.join(', ')}`);
    if (status?.terminal_state === 'done') {
      const without = [...run.ids].filter((id) => !idsOf(run).has(id));
      if (without.length > 0) throw new Error(`${runId} says that it is done, without rows of ${without.join(', ')}`);
      run.doneMs ??= Date.now();
    }
  }

  /**
   * Reads everything again, byte for byte.
   * @param records what the tasks wrote down
   * @param headLog what the heads logged: where the reason of each second start must stand
   */
  async report(records: readonly NoopRecord[], headLog: readonly LogLine[] = []): Promise<Report> {
    await this.look();
    const lost: string[] = [];
    const unexpected: string[] = [];
    const doubled: string[] = [];
    let [submitted, rows, late, duplicates, synthetic] = [0, 0, 0, 0, 0];
    for (const [runId, run] of this.#runs) {
      submitted += run.ids.size;
      for (const [path, { digest }] of run.rows) {
        const stored = await this.#store.read(rowsPrefix(runId) + path);
        if (!stored || digestOf(stored.bytes) !== digest) throw new Error(`${runId}: row ${path} is not what it was`);
      }
      const files = groupRowPaths(run.rows.keys());
      for (const id of run.ids) {
        const read = async ({ path }: RowFile) => (await this.#store.read(rowsPrefix(runId) + path))?.bytes;
        const row = await canonicalRow(files.get(id) ?? [], read);
        if (row.kind === 'row') {
          rows += 1;
          if (row.isSynthetic) synthetic += 1;
        } else lost.push(`${runId}/${id}`);
      }
      unexpected.push(...[...files.keys()].filter((id) => !run.ids.has(id)).map((id) => `${runId}/${id}`));
      doubled.push(...doubledIds(run).map((id) => `${runId}/${id}`));
      for (const list of files.values()) {
        late += list.filter(({ kind }) => kind === 'late').length;
        duplicates += list.filter(({ kind }) => kind === 'duplicate').length;
      }
    }
    const starts = records.filter(({ what, run_id }) => what === 'start' && this.#runs.has(run_id));
    const perAttempt = Map.groupBy(starts, ({ run_id, instance_id, attempt }) => `${run_id}/${instance_id}#${attempt}`);
    const restarted = [...perAttempt].filter(([, list]) => list.length > 1);
    const hasReason = reasonsOf(headLog);
    const perId = new Set(starts.map(({ run_id, instance_id }) => `${run_id}/${instance_id}`));
    return {
      submitted,
      rows,
      lost,
      unexpected,
      doubled,
      late,
      duplicates,
      synthetic,
      starts: starts.length,
      wasted: starts.length - perId.size,
      restarted: restarted.map(([name]) => name),
      unexplained: restarted
        .filter(([name, list]) => !hasReason(name, list))
        .map(([name, list]) => `${name} ×${list.length}`),
      faults: this.faults,
    };
  }
}

/**
 * Whether heads logged why the very attempt was handed out again, before each of its later starts.
 */
function reasonsOf(headLog: readonly LogLine[]): (name: string, starts: readonly NoopRecord[]) => boolean {
  const attempts = new Map<string, number[]>();
  const keep = (into: Map<string, number[]>, key: string, line: LogLine): void => {
    const known = into.get(key);
    if (known) known.push(Date.parse(line.time));
    else into.set(key, [Date.parse(line.time)]);
  };
  for (const line of headLog) {
    const run = String(line['run']);
    const { msg } = line;
    if (/taken back|does not name these|may have begun these/.test(msg)) {
      for (const each of (line['instances'] ?? []) as string[]) keep(attempts, `${run}/${each}`, line);
    } else if (/waits again|started again/.test(msg)) {
      const id = String(line['instance'] ?? line['instanceId']);
      keep(attempts, `${run}/${id}#${String(line['attempt'])}`, line);
    }
  }
  return (name, starts) => {
    const times = (attempts.get(name) ?? []).toSorted((a, b) => a - b);
    // The n-th start beyond the first needs n reasons before it.
    const later = starts
      .map(({ at_ms }) => at_ms)
      .sort((a, b) => a - b)
      .slice(1);
    return later.every((atMs, index) => (times[index] ?? Infinity) <= atMs);
  };
}

/** The set-full table, for people. */
export function reportText(title: string, report: Report): string {
  const { submitted, rows, lost, unexpected, doubled, late, duplicates, synthetic, starts, wasted } = report;
  const kinds = Object.entries(Object.groupBy(report.faults, ({ kind }) => kind)).map(
    ([kind, list]) => `${list?.length ?? 0} ${kind}`,
  );
  const times = (key: 'detectedMs' | 'recoveredMs'): string => {
    const values = report.faults
      .map((fault) => fault[key])
      .filter((value) => value !== undefined)
      .sort((a, b) => a - b);
    if (values.length === 0) return 'none';
    const middle = values[values.length >> 1] as number;
    return `p50 ${seconds(middle)}, max ${seconds(values.at(-1) as number)} (${values.length} seen)`;
  };
  return [
    `${title}`,
    `  faults     ${kinds.join(', ')}`,
    `  submitted  ${submitted}`,
    `  rows       ${rows} (${synthetic} of them synthetic)`,
    `  lost       ${lost.length}`,
    `  unexpected ${unexpected.length}`,
    `  doubled    ${doubled.length}`,
    `  late       ${late}, duplicates ${duplicates}`,
    `  re-run     ${wasted} of ${starts} starts (${((100 * wasted) / Math.max(1, starts)).toFixed(1)} %), ${report.restarted.length} as the same attempt, ${report.unexplained.length} of those unexplained`,
    `  detection  ${times('detectedMs')}`,
    `  recovery   ${times('recoveredMs')}`,
  ].join('\n');
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function idsOf(run: WatchedRun): Set<string> {
  return new Set([...run.rows.keys()].map((path) => path.slice(0, path.indexOf('/'))));
}

/** Ids of which two attempts have a real row under their own names: whoever started the second knew of the first (S3). */
function doubledIds({ rows }: WatchedRun): string[] {
  const real = [...rows].filter(([path, { isSynthetic }]) => !isSynthetic && /\/attempt-\d+\.json$/.test(path));
  const perId = Map.groupBy(real, ([path]) => path.slice(0, path.indexOf('/')));
  return [...perId].filter(([, list]) => list.length > 1).map(([id]) => id);
}
