/** `skein logs RUN [ID]`: what tasks printed, one or all of them; `-f` goes on, also with those that run, until the run ends. */
import { SkeinError } from '../../kernel/errors.ts';
import { parseRunId } from '../../kernel/ids.ts';
import { sleep } from '../../kernel/retry.ts';
import { readManifest } from '../../run/manifest.ts';
import { readStatus, type RunStatus } from '../../run/status.ts';
import {
  logName,
  logsPrefix,
  parseLogName,
  parsePartialLogName,
  parseRowName,
  rowsPrefix,
} from '../../store/layout.ts';
import type { ObjectStore } from '../../store/port.ts';
import { callPatiently } from '../../store/create-or-confirm.ts';
import { listAll } from '../../store/prefix.ts';
import { isBinary, readEnd } from '../../store/read-end.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { LogEnd } from '../log-end.ts';
import { LogFollower, type FollowedAttempt } from '../log-follower.ts';
import { placeOf } from '../run-place.ts';
import { attemptFlag, noSuchAttempt, taskOfRun } from '../task-of-run.ts';

const LOOK_EVERY_MS = 500;
/** Running tasks of a run that are followed at a time. */
const MOST_FOLLOWED = 64;

/** Does it. The exit code. @throws SkeinError */
export async function logs(flags: Flags, context: CliContext): Promise<number> {
  const runId = parseRunId('RUN', flags.need('run', 'skein logs RUN'));
  const typedId = flags.get('id');
  const attempt = attemptFlag(flags);
  const isFollowing = flags.has('follow');
  await using place = await placeOf(flags, context);
  const { store } = place;
  const manifest = await readManifest(store, runId);
  const instanceId = typedId === undefined ? undefined : taskOfRun(manifest, typedId);
  const wanted = { store, runId, instanceId, attempt };
  const { out, err, stop } = context;
  const signal = AbortSignal.any([stop.drain, out.gone]);
  const follower = new LogFollower({
    store,
    runId,
    out,
    note: (line) => err.line(`skein: ${line}`),
    isNamed: instanceId === undefined,
    hasTranscripts: isFollowing,
  });
  if (!isFollowing) {
    const found = await storedLogs(wanted);
    if (attempt !== undefined && found.length === 0) await requireAttempt(wanted, attempt);
    if (instanceId !== undefined && found[0] && out.isTerminal) await refuseBinary(wanted, found[0]);
    for (const each of found) if (!signal.aborted) await follower.look({ ...each, isOver: each.isOver }, { signal });
  } else {
    await follow(wanted, follower, signal);
  }
  if (follower.shown === 0 && !signal.aborted) {
    const whose = instanceId === undefined ? `run ${runId}` : `${instanceId} of run ${runId}`;
    err.line(`skein: ${whose} has no log yet: one is stored when a task ends that printed something`);
  }
  return OK;
}

interface Wanted {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly instanceId: string | undefined;
  readonly attempt: number | undefined;
}

async function follow(wanted: Wanted, follower: LogFollower, signal: AbortSignal): Promise<void> {
  const { store, runId } = wanted;
  const end = new LogEnd(wanted);
  while (!signal.aborted) {
    const status = await readStatus(store, runId, { signal });
    // Asked before the look, so that the look sees everything when the answer is yes.
    const isOver = await end.hasEnded(status);
    const stored = await storedLogs(wanted);
    const there = new Set(stored.map((each) => `${each.instanceId} ${each.attempt}`));
    const running = runningOf(wanted, status, follower).filter(
      (each) => !there.has(`${each.instanceId} ${each.attempt}`),
    );
    for (const each of [...stored, ...running]) if (!signal.aborted) await follower.look(each, { signal });
    if (isOver) return;
    await sleep(LOOK_EVERY_MS, signal).catch(() => {});
  }
}

/** The logs that are stored, by id; of each id the wanted attempt, or the latest. */
async function storedLogs({ store, runId, instanceId, attempt }: Wanted): Promise<FollowedAttempt[]> {
  const found = new Map<string, FollowedAttempt>();
  const prefix = instanceId === undefined ? logsPrefix(runId) : `${logsPrefix(runId)}${instanceId}/`;
  for await (const { name } of listAll(store, prefix)) {
    const whole = parseLogName(name);
    const log = whole ?? parsePartialLogName(name);
    if (!log || (attempt !== undefined && log.attempt !== attempt)) continue;
    const known = found.get(log.instanceId);
    if (known && (known.attempt > log.attempt || (known.attempt === log.attempt && known.isOver))) continue;
    found.set(log.instanceId, { instanceId: log.instanceId, attempt: log.attempt, isOver: whole !== undefined });
  }
  return [...found.values()];
}

/** What runs at the moment, by the run's status, and what was followed until now and has no log yet. */
function runningOf(
  { instanceId, attempt }: Wanted,
  status: RunStatus | undefined,
  follower: LogFollower,
): FollowedAttempt[] {
  const inFlight = (status?.in_flight ?? []).map((task) => ({ instanceId: task.instance_id, attempt: task.attempt }));
  return [...inFlight, ...follower.open]
    .filter((task) => instanceId === undefined || task.instanceId === instanceId)
    .filter((task) => attempt === undefined || task.attempt === attempt)
    .slice(0, MOST_FOLLOWED)
    .map((task) => ({ ...task, isOver: false }));
}

/** An attempt without a log may have printed nothing; one that never was is a mistake. @throws SkeinError INVALID_INPUT */
async function requireAttempt({ store, runId, instanceId }: Wanted, attempt: number): Promise<void> {
  const attempts = new Set<number>();
  const below = (rows: string): string => (instanceId === undefined ? rows : `${rows}${instanceId}/`);
  for await (const { name } of listAll(store, below(rowsPrefix(runId)))) {
    const row = parseRowName(name);
    if (row) attempts.add(row.attempt);
  }
  for await (const { name } of listAll(store, below(logsPrefix(runId)))) {
    const log = parseLogName(name);
    if (log) attempts.add(log.attempt);
  }
  for (const task of (await readStatus(store, runId))?.in_flight ?? []) {
    if (instanceId === undefined || task.instance_id === instanceId) attempts.add(task.attempt);
  }
  if (attempts.has(attempt)) return;
  const whose = instanceId === undefined ? `run ${runId}` : `${instanceId} of run ${runId}`;
  throw noSuchAttempt(
    attempt,
    whose,
    [...attempts].sort((a, b) => a - b),
  );
}

/** A terminal would obey what is in it. @throws SkeinError INVALID_INPUT */
async function refuseBinary({ store, runId }: Wanted, { instanceId, attempt, isOver }: FollowedAttempt): Promise<void> {
  if (!isOver) return;
  const name = logName(runId, instanceId, attempt);
  const info = await callPatiently(`looking at ${name}`, {}, (signal) => store.stat(name, { signal }));
  const read = info && (await readEnd(store, info));
  if (!read || !isBinary(read.bytes)) return;
  const text = `${instanceId}: the log of attempt ${attempt} is binary, ${read.bytes.byteLength} bytes; write it to a file: skein logs ${runId} ${instanceId} > FILE`;
  throw new SkeinError('INVALID_INPUT', text, { fields: { field: 'ID' } });
}
