/** Where a task of a run stands, and why one row of it counts: in words, from its rows and the run's status. */
import type { CanonicalRow } from '../../run/canonical-row.ts';
import { readAttemptRecords } from '../../run/attempt-record.ts';
import { idStateOf, retryLostOf, rulesOf } from '../../run/id-state.ts';
import type { Manifest } from '../../run/manifest.ts';
import type { RunStatus } from '../../run/status.ts';
import type { TaskObjects } from '../../run/task-sight.ts';
import type { ObjectStore } from '../../store/port.ts';

export interface TaskStateFacts {
  readonly store: ObjectStore;
  readonly manifest: Manifest;
  readonly status: RunStatus | undefined;
  readonly instanceId: string;
  readonly objects: TaskObjects;
  /** What the last heartbeat says of it, if it runs. */
  readonly running: RunStatus['in_flight'][number] | undefined;
}

export interface TaskState {
  /** `done`: its row is no error; `error`: it is one; `open`: it waits to be run, or to be run again. */
  readonly kind: 'done' | 'error' | 'running' | 'open';
  /** Of an open one: why. */
  readonly why: string;
  /** Of the row that counts: why that one. */
  readonly speaks: string;
  /** Of a running one. */
  readonly node: string;
  readonly elapsedS: number;
  /** Why it was run again, where somebody asked for it (P-50). */
  readonly asked: readonly AskedAttempt[];
}

export interface AskedAttempt {
  readonly attempt: number;
  readonly reason: string;
  /** `user@host`, empty if it is not known. */
  readonly by: string;
  readonly atMs: number;
}

export async function taskState(facts: TaskStateFacts): Promise<TaskState> {
  const { store, manifest, status, objects, running, instanceId } = facts;
  const { canonical } = objects;
  const { floors, records } = await readAttemptRecords(store, manifest.run_id);
  const asked = records
    .filter(({ ids }) => ids.includes(instanceId))
    .map(({ attempt, reason, by, at_ms: atMs }) => ({ attempt, reason, by, atMs }));
  const state = idStateOf(canonical, rulesOf(retryLostOf(manifest, status), floors)(instanceId));
  const speaks = whyItSpeaks(objects);
  const none = { why: '', speaks, node: '', elapsedS: 0, asked };
  if (running) return { ...none, kind: 'running', node: running.node, elapsedS: running.elapsed_s };
  if (state.kind === 'done') return { ...none, kind: state.isError ? 'error' : 'done' };
  return { ...none, kind: 'open', why: whyItIsOpen(state.why, canonical, state.nextAttempt) };
}

function whyItIsOpen(why: string, canonical: CanonicalRow, nextAttempt: number): string {
  switch (why) {
    case 'no-row':
      return 'it has no row yet';
    case 'lost':
      return `attempt ${attemptOf(canonical)} was lost; it runs again as attempt ${nextAttempt}`;
    case 'unreadable':
      return `the row of attempt ${attemptOf(canonical)} cannot be read; it runs again as attempt ${nextAttempt}`;
    default:
      return `it was resubmitted as attempt ${nextAttempt}, which has no row yet`;
  }
}

function attemptOf(canonical: CanonicalRow): number {
  return canonical.kind === 'missing' ? 0 : canonical.attempt;
}

/** C-01 and DESIGN rule 2, said for this task. */
function whyItSpeaks({ canonical, speaker, rows }: TaskObjects): string {
  if (canonical.kind !== 'row' || !speaker) return '';
  const { attempt, kind } = speaker.file;
  const highest = canonical.attempts.at(-1) ?? attempt;
  const parts: string[] = [];
  if (canonical.attempts.length === 1) parts.push('the only attempt');
  else if (attempt === highest) parts.push(`the highest of attempts ${canonical.attempts.join(', ')}`);
  else parts.push(`attempt ${highest} has a synthetic row only, and a real one wins over it`);
  if (kind === 'late') parts.push('it came late, when a synthetic row stood in its place');
  if (kind === 'duplicate') parts.push('the first row of the attempt cannot be read');
  const others = rows.filter(({ file }) => file.attempt === attempt && file.kind === 'duplicate').length;
  if (kind !== 'duplicate' && others > 0) parts.push(`${others} more of this attempt came later and count for nothing`);
  if (canonical.isSynthetic) parts.push('no framework wrote it, and no real row is there');
  return parts.join('; ');
}
