/**
 * The numbers of a run, from its canonical rows one by one; none is kept.
 *
 * Invariants: E1 rates are over the ids asked, never over the rows found, and `expected`, `done`, `errors`, `missing`
 * stand beside them (P-35, V-10); an id that is not done has no part in them, whatever row it has. E2 what cannot be read has its count and its name.
 */
import type { CanonicalRow, RowProblem } from '../run/canonical-row.ts';
import type { Manifest } from '../run/manifest.ts';
import type { RunCounts } from '../run/run-counts.ts';
import { UsageTotal } from './usage-total.ts';

/** At most so many missing ids are named in `eval.json`. */
const MISSING_NAMED = 100;

export class EvalMetrics {
  readonly unreadable: RowProblem[] = [];
  readonly #expected: number;
  readonly #usage = new UsageTotal();
  readonly #durations: number[] = [];
  readonly #resubmitted: string[] = [];
  readonly #missing: string[] = [];
  readonly #retrying: string[] = [];
  #ok = 0;
  #errors = 0;
  #phase1 = 0;
  #phase2 = 0;
  #reward = 0;
  #synthetic = 0;
  #duplicates = 0;

  /** @param expected the ids asked */
  constructor(expected: number) {
    this.#expected = expected;
  }

  /** @param isDone whether the row is the id's last word: else it is missing, and its row is that of a lost attempt */
  add(instanceId: string, canonical: CanonicalRow, isDone: boolean): void {
    if (canonical.kind !== 'missing') {
      this.unreadable.push(...canonical.problems);
      this.#duplicates += canonical.duplicates;
      if (canonical.attempts.length > 1) this.#resubmitted.push(instanceId);
    }
    if (canonical.kind !== 'row' || !isDone) {
      this.#missing.push(instanceId);
      if (canonical.kind === 'row') this.#retrying.push(instanceId);
      return;
    }
    const { row, isError, isSynthetic } = canonical;
    if (isError) this.#errors += 1;
    else this.#ok += 1;
    if (isSynthetic) this.#synthetic += 1;
    if (row['phase1_passed']) this.#phase1 += 1;
    if (row['phase2_passed']) this.#phase2 += 1;
    this.#reward += amount(row['total_reward']);
    this.#durations.push(amount(row['duration_s']));
    this.#usage.add(row['usage']);
  }

  /** Ids that lost an attempt and will be run again. */
  get retrying(): number {
    return this.#retrying.length;
  }

  get counts(): RunCounts {
    const done = this.#ok + this.#errors;
    return {
      expected: this.#expected,
      done,
      ok: this.#ok,
      errors: this.#errors,
      missing: this.#expected - done,
    };
  }

  /** How many passed, for a score line. */
  get score(): { readonly phase1: number; readonly phase2: number; readonly totalReward: number } {
    return { phase1: this.#phase1, phase2: this.#phase2, totalReward: this.#reward };
  }

  /** What stands before `results` in `eval.json`. */
  head(manifest: Manifest): Record<string, unknown> {
    const { expected, done, errors, missing } = this.counts;
    const total = this.#durations.reduce((sum, seconds) => sum + seconds, 0);
    const sorted = this.#durations.toSorted((a, b) => a - b);
    return {
      mode: manifest.mode,
      query_mode: manifest.query_mode,
      framework: manifest.framework,
      total_tasks: expected,
      expected,
      done,
      errors,
      missing,
      phase1_count: this.#phase1,
      phase1_rate: share(this.#phase1, expected),
      phase2_count: this.#phase2,
      phase2_rate: share(this.#phase2, expected),
      total_reward: this.#reward,
      average_reward: share(this.#reward, expected),
      total_usage: this.#usage,
      total_duration_s: total,
      avg_duration_s: share(total, done),
      p50_duration_s: median(sorted),
      max_duration_s: sorted.at(-1) ?? 0,
    };
  }

  /** What stands after them. `ignoredIds`: ids that have rows and are not the run's. `strays`: files that are no rows. */
  tail(manifest: Manifest, ignoredIds: number, strays: readonly string[]): Record<string, unknown> {
    return {
      n_resubmitted: this.#resubmitted.length,
      resubmitted_ids: this.#resubmitted,
      run_id: manifest.run_id,
      missing_ids: this.#missing.slice(0, MISSING_NAMED),
      retrying_ids: this.#retrying.slice(0, MISSING_NAMED),
      synthetic_rows: this.#synthetic,
      duplicate_rows: this.#duplicates,
      ignored_ids: ignoredIds,
      stray_rows: strays,
      unreadable_rows: this.unreadable,
    };
  }
}

const amount = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0);
const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
