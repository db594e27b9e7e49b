/** A run in five numbers: what every command that speaks of a run's ids shows. */

/** What became of the ids that a run was asked for: `expected` = `done` + `missing`, `done` = `ok` + `errors`. */
export interface RunCounts {
  readonly expected: number;
  readonly done: number;
  readonly ok: number;
  readonly errors: number;
  /** Without a row, or with one that cannot be read, or with that of a lost attempt which will be run again. */
  readonly missing: number;
}
