/** `skein logs RUN [ID]`: what tasks printed, one or all of them; `-f` goes on until the run ends. */
import { readManifest, type Manifest } from '../../run/manifest.ts';
import { readStatus } from '../../run/status.ts';
import { SkeinError } from '../../kernel/errors.ts';
import { parseName, parseRunId } from '../../kernel/ids.ts';
import { sleep } from '../../kernel/retry.ts';
import { logName, logsPrefix, parseLogName, rowsPrefix, parseRowName } from '../../store/layout.ts';
import type { ObjectStore } from '../../store/port.ts';
import { callPatiently, readPatiently } from '../../store/create-or-confirm.ts';
import { listAll } from '../../store/prefix.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import { nearest, type Flags } from '../flags.ts';
import type { Output } from '../output.ts';
import { placeOf } from '../run-place.ts';
import { parseCount } from '../values.ts';

const LOOK_EVERY_MS = 500;
/** A heart that did not beat for so long has stopped: nothing more will come. */
const SILENT_MS = 60_000;

/** Does it. The exit code. @throws SkeinError */
export async function logs(flags: Flags, context: CliContext): Promise<number> {
  const runId = parseRunId('RUN', flags.need('run', 'skein logs RUN'));
  const typedId = flags.get('id');
  const instanceId = typedId === undefined ? undefined : parseName('ID', typedId);
  const typedAttempt = flags.get('attempt');
  const attempt = typedAttempt === undefined ? undefined : parseCount('--attempt', typedAttempt, { min: 1, max: 1e15 });
  await using place = await placeOf(flags, context);
  const { store } = place;
  const manifest = await readManifest(store, runId);
  if (instanceId !== undefined && !manifest.instance_ids.includes(instanceId)) throw unknownId(manifest, instanceId);
  const signal = AbortSignal.any([context.stop.drain, context.out.gone]);
  const wanted = { store, runId, instanceId, attempt };

  const shown = new Set<string>();
  for (;;) {
    // Asked before the look, so that the look sees everything when the answer is yes.
    const isOver = !flags.has('follow') || (await hasEnded(store, manifest, instanceId));
    for (const name of await logObjects(wanted)) {
      if (shown.has(name) || signal.aborted) continue;
      shown.add(name);
      await print(store, name, instanceId === undefined, context.out);
    }
    if (isOver || signal.aborted) break;
    await sleep(LOOK_EVERY_MS, signal).catch(() => {});
  }
  if (shown.size === 0 && !signal.aborted) {
    const whose = instanceId === undefined ? `run ${runId}` : `${instanceId} of run ${runId}`;
    context.err.line(`skein: ${whose} has no log yet: one is stored when a task ends`);
  }
  return OK;
}

interface Wanted {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly instanceId: string | undefined;
  readonly attempt: number | undefined;
}

/** The log objects to show, by id; of each id the wanted attempt, or the latest. */
async function logObjects({ store, runId, instanceId, attempt }: Wanted): Promise<string[]> {
  const attempts = new Map<string, number>();
  const prefix = instanceId === undefined ? logsPrefix(runId) : `${logsPrefix(runId)}${instanceId}/`;
  for await (const { name } of listAll(store, prefix)) {
    const log = parseLogName(name);
    if (!log || (attempt !== undefined && log.attempt !== attempt)) continue;
    attempts.set(log.instanceId, Math.max(log.attempt, attempts.get(log.instanceId) ?? 0));
  }
  return [...attempts].map(([id, latest]) => logName(runId, id, latest));
}

async function print(store: ObjectStore, name: string, isNamed: boolean, out: Output): Promise<void> {
  const stored = await readPatiently(store, name);
  if (!stored) return;
  const text = stored.bytes.toString('utf8');
  const { instanceId = '', attempt = 0 } = parseLogName(name) ?? {};
  if (isNamed) out.line(out.colors.bold(`==> ${instanceId}, attempt ${attempt}`));
  out.write(text === '' || text.endsWith('\n') ? text : `${text}\n`);
}

async function hasEnded(store: ObjectStore, manifest: Manifest, instanceId: string | undefined): Promise<boolean> {
  const status = await readStatus(store, manifest.run_id);
  if (status?.terminal_state || status?.stopped) return true;
  if (status?.last_heartbeat_ts && Date.now() - status.last_heartbeat_ts * 1000 > SILENT_MS) return true;
  if (instanceId === undefined) return false;
  for await (const { name } of listAll(store, `${rowsPrefix(manifest.run_id)}${instanceId}/`)) {
    // The log follows the row; the run's own end, or the next look, brings it.
    if (!parseRowName(name)) continue;
    const log = logName(manifest.run_id, instanceId, 1);
    const info = await callPatiently(`looking at ${log}`, {}, (signal) => store.stat(log, { signal }));
    return info !== undefined;
  }
  return false;
}

function unknownId({ run_id: runId, instance_ids: ids }: Manifest, instanceId: string): SkeinError {
  const meant = nearest(instanceId, ids);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return new SkeinError('INVALID_INPUT', `ID: ${JSON.stringify(instanceId)} is no task of run ${runId}${hint}`);
}
