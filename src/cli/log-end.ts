/** Whether anything more will come of the logs of a run, or of one task of it: what `logs -f` ends by. */
import type { RunStatus } from '../run/status.ts';
import { callPatiently } from '../store/create-or-confirm.ts';
import { logName, parseRowName, taskRowsPrefix } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { listAll } from '../store/prefix.ts';

/** A heart that did not beat for so long has stopped: nothing more will come. */
const SILENT_MS = 60_000;
/** A task that printed nothing has no log: so long after its row one is not waited for. */
const LOG_AFTER_ROW_MS = 3_000;

export interface LogEndOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  /** The task that is followed; undefined: all of the run. */
  readonly instanceId: string | undefined;
  /** The one attempt that is followed; undefined: the latest. */
  readonly attempt: number | undefined;
}

/** Knows when nothing more will come of a run, or of one task of it. */
export class LogEnd {
  readonly #wanted: LogEndOptions;
  /** When the row of the task was first seen, by the name of its log. */
  readonly #rowSeenMs = new Map<string, number>();

  constructor(wanted: LogEndOptions) {
    this.#wanted = wanted;
  }

  async hasEnded(status: RunStatus | undefined): Promise<boolean> {
    if (status?.terminal_state || status?.stopped) return true;
    const beat = status?.last_heartbeat_ts;
    if (beat && Date.now() - beat * 1000 > SILENT_MS) return true;
    const { instanceId } = this.#wanted;
    return instanceId !== undefined && (await this.#hasTaskEnded(instanceId, status));
  }

  /** Its row stands, nobody runs it again, and the log, which follows the row, is there or will not come. */
  async #hasTaskEnded(instanceId: string, status: RunStatus | undefined): Promise<boolean> {
    const { store, runId, attempt } = this.#wanted;
    if (attempt === undefined && status?.retrying.includes(instanceId)) return false;
    if (
      status?.in_flight.some((task) => task.instance_id === instanceId && (attempt ?? task.attempt) === task.attempt)
    ) {
      return false;
    }
    let latest = 0;
    for await (const { name } of listAll(store, taskRowsPrefix(runId, instanceId))) {
      const row = parseRowName(name);
      if (row && (attempt === undefined || row.attempt === attempt)) latest = Math.max(latest, row.attempt);
    }
    if (latest === 0) return false;
    const log = logName(runId, instanceId, latest);
    if (await callPatiently(`looking at ${log}`, {}, (signal) => store.stat(log, { signal }))) return true;
    const seenMs = this.#rowSeenMs.get(log) ?? performance.now();
    this.#rowSeenMs.set(log, seenMs);
    return performance.now() - seenMs >= LOG_AFTER_ROW_MS;
  }
}
