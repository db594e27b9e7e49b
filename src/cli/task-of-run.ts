/** A task that a command line names, checked against its run: mistakes name what was probably meant. */
import { SkeinError } from '../kernel/errors.ts';
import { parseName } from '../kernel/ids.ts';
import type { Manifest } from '../run/manifest.ts';
import { nearest, type Flags } from './flags.ts';
import { invalid, parseCount } from './values.ts';

/** The id that was typed. @throws SkeinError INVALID_INPUT unless it is one of the run's */
export function taskOfRun({ run_id: runId, instance_ids: ids }: Manifest, typed: string): string {
  const instanceId = parseName('ID', typed);
  if (ids.includes(instanceId)) return instanceId;
  const meant = nearest(instanceId, ids);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  throw new SkeinError('INVALID_INPUT', `ID: ${JSON.stringify(instanceId)} is no task of run ${runId}${hint}`, {
    fields: { field: 'ID' },
  });
}

/** The attempt that was typed, undefined if none was. @throws SkeinError INVALID_INPUT */
export function attemptFlag(flags: Flags): number | undefined {
  const typed = flags.get('attempt');
  if (typed === undefined) return undefined;
  // As objects are named (B-02): `01` is no attempt.
  if (typed.startsWith('0')) throw invalid('--attempt', typed, 'is no attempt: 1, 2, 3 …');
  return parseCount('--attempt', typed, { min: 1, max: 1e15 });
}

/** @param whose `beehives_1 of run r1`, or `run r1` */
export function noSuchAttempt(attempt: number, whose: string, attempts: readonly number[]): SkeinError {
  const there =
    attempts.length === 0 ? 'it has none yet' : `there ${attempts.length > 1 ? 'are' : 'is'} ${listed(attempts)}`;
  return new SkeinError('INVALID_INPUT', `--attempt: ${whose} has no attempt ${attempt}; ${there}`, {
    fields: { field: '--attempt' },
  });
}

function listed(attempts: readonly number[]): string {
  const shown = attempts.slice(-8).join(', ');
  return attempts.length > 8 ? `${attempts[0]} to ${attempts.at(-1)}` : shown;
}
