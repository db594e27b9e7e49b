/**
 * Named points at which a test kills the process, as a crash would: SIGKILL, no disposer, no flush. Armed once by the
 * command line (from `SKEIN_FAILPOINT`) and handed to actor threads with their spec; never armed in ordinary life.
 */

/** Every fail point of a command with its own head, in the order in which a run meets them. A crash test visits each once. */
export const FAIL_POINTS = [
  'stage1.before-marker',
  'stage1.after-marker',
  'stage1.after-commit',
  'submit.before-manifest',
  'submit.after-manifest',
  'setup.before-marker-object',
  'setup.after-upload',
  'reference.after-copy',
  'reference.before-marker',
  'reference.before-commit',
  'reference.after-commit',
  'row.before-write',
  'row.after-write',
  'log.after-write',
  'shard.before-sidecar',
  'shard.before-complete',
  'shard.after-complete',
  'head.run-leased',
  'head.before-beat',
  'status.before-terminal',
  'head.after-terminal',
  'collate.before-publish',
  'merge.after-marker-off',
  'merge.mid-content',
  'merge.before-marker',
  'merge.after-marker',
] as const;

/** Those of a node with a spool: the embedded default has none, so its own crash test meets none of these. */
export const NODE_FAIL_POINTS = [
  'dataset.before-publish',
  'dataset.after-publish',
  'peer-reference.before-commit',
  'spool.after-grant',
  'spool.after-start',
  'spool.after-result',
  'spool.before-settle',
  'reference.before-ready',
] as const;

/** Those that only a head daemon meets: its lease, its grants, the rows of what was lost with a node. */
export const HEAD_FAIL_POINTS = [
  'head.lease-taken',
  'head.grant-written',
  'head.reference-recorded',
  'head.before-lost-row',
  'head.after-lost-row',
] as const;

export type FailPoint =
  | (typeof FAIL_POINTS)[number]
  | (typeof NODE_FAIL_POINTS)[number]
  | (typeof HEAD_FAIL_POINTS)[number];

let armed: { name: string; visitsLeft: number } | undefined;

/** Arms `spec`: a fail point's name, optionally `name:n` for its n-th visit (default the first). Empty disarms. */
export function armFailPoint(spec: string | undefined): void {
  if (!spec) return void (armed = undefined);
  const [name = '', visit = '1'] = spec.split(':');
  armed = { name, visitsLeft: Number(visit) };
}

/** What is armed, in the form that `armFailPoint` takes: for handing on to a thread. */
export function armedFailPoint(): string {
  return armed ? `${armed.name}:${armed.visitsLeft}` : '';
}

/** Dies here by SIGKILL if this point is armed and its visit has come. */
export function failPoint(name: FailPoint): void {
  if (armed?.name !== name) return;
  armed.visitsLeft -= 1;
  if (armed.visitsLeft > 0) return;
  process.kill(process.pid, 'SIGKILL');
  // SIGKILL needs a moment to arrive; nothing may happen meanwhile.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
