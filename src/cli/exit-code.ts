/** DESIGN's exit codes. A code of `SkeinError` decides, and nothing else does. */
import { isSkeinError, type ErrorCode } from '../kernel/errors.ts';
import { INTERRUPTED } from './stop-signals.ts';

/** Every id has a row without error. A wrong answer is not an error. */
export const OK = 0;
/** Finished, but some ids have error rows. */
export const ERROR_ROWS = 1;
/** Bad usage or a failed preflight. */
export const REFUSED = 2;
/** Not finished; the hint says how to go on. */
export const NOT_FINISHED = 3;
/** Our own bug. */
export const BUG = 70;
export { INTERRUPTED };

const CODES: Readonly<Record<ErrorCode, number>> = {
  INVALID_INPUT: REFUSED,
  PREFLIGHT: REFUSED,
  NOT_FOUND: REFUSED,
  UNAUTHENTICATED: REFUSED,
  CORRUPT: REFUSED,
  STORE_CONFLICT: NOT_FINISHED,
  STORE_UNAVAILABLE: NOT_FINISHED,
  OUTCOME_UNKNOWN: NOT_FINISHED,
  DISK_FULL: NOT_FINISHED,
  DEADLINE: NOT_FINISHED,
  UNAVAILABLE: NOT_FINISHED,
  NOT_FINISHED,
  CANCELLED: INTERRUPTED,
  INTERNAL: BUG,
};

export function exitCodeOf(error: unknown): number {
  return isSkeinError(error) ? CODES[error.code] : BUG;
}

/** The exit code of a run whose ids ended so. */
export function exitCodeOfCounts({ missing, errors }: { readonly missing: number; readonly errors: number }): number {
  if (missing > 0) return NOT_FINISHED;
  return errors > 0 ? ERROR_ROWS : OK;
}
