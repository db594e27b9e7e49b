/** What of a run is running at the moment, and when the store last saw a sign of it (V-01, V-03). */
import pLimit from 'p-limit';

import { callPatiently } from '../../store/create-or-confirm.ts';
import { partialLogName, partialTranscriptName } from '../../store/layout.ts';
import type { ObjectStore } from '../../store/port.ts';
import { durationText } from '../progress-text.ts';
import { SkippedSection, type Findings } from './section.ts';
import type { Sources } from './sources.ts';

/** What is named of a long list. */
const MOST_NAMED = 20;
const LOOKS_AT_ONCE = 32;
/** §1L: a task without a sign for so long counts as stalled. */
const STALL_S = 300;

export interface Running {
  readonly instanceId: string;
  readonly attempt: number | undefined;
  readonly node: string;
  readonly elapsedS: number;
}

/** By the head's word if it gives one, else by the last heartbeat. */
export async function inFlightOf(sources: Sources): Promise<Running[]> {
  const answer = await sources.inspect().catch(() => undefined);
  const status = await sources.status().catch(() => undefined);
  const attempts = new Map(status?.in_flight.map((task) => [task.instance_id, task.attempt]));
  if (answer?.run) {
    return answer.run.inFlight.map(({ instanceId, node, elapsedS }) => ({
      ...{ instanceId, node, elapsedS, attempt: attempts.get(instanceId) },
    }));
  }
  if (!status) throw new SkippedSection('neither a head nor a heartbeat says what runs');
  if (status.terminal_state) return [];
  return status.in_flight.map((task) => ({
    ...{ instanceId: task.instance_id, attempt: task.attempt, node: task.node, elapsedS: task.elapsed_s },
  }));
}

/** V-01, V-03: what runs, and when the store last saw a sign of it. */
export async function runningFindings(
  store: ObjectStore,
  runId: string,
  running: readonly Running[],
  signal: AbortSignal,
): Promise<Findings> {
  if (running.length === 0) return { lines: ['none'] };
  const limit = pLimit(LOOKS_AT_ONCE);
  const alerts: string[] = [];
  const shown = running.toSorted((a, b) => b.elapsedS - a.elapsedS).slice(0, MOST_NAMED);
  const lines = await Promise.all(
    shown.map(({ instanceId, attempt, node, elapsedS }) =>
      limit(async () => {
        const names = [partialTranscriptName(runId, instanceId)];
        if (attempt !== undefined) names.push(partialLogName(runId, instanceId, attempt));
        const infos = await Promise.all(
          names.map((name) =>
            callPatiently(`looking at ${name}`, { signal }, (inner) => store.stat(name, { signal: inner })),
          ),
        );
        const newestMs = Math.max(0, ...infos.map((info) => info?.updatedMs ?? 0));
        const signS = newestMs > 0 ? Math.max(0, (Date.now() - newestMs) / 1000) : undefined;
        if (elapsedS > STALL_S && (signS ?? elapsedS) > STALL_S) {
          alerts.push(
            `${instanceId} runs for ${durationText(elapsedS)}, and no sign of it came for ${durationText(signS ?? elapsedS)}`,
          );
        }
        const sign =
          signS === undefined ? 'no transcript or log of it is stored' : `last sign ${durationText(signS)} ago`;
        const number = attempt === undefined ? '' : `, attempt ${attempt}`;
        return `${instanceId}${number}: for ${durationText(elapsedS)}${node ? ` at ${node}` : ''}; ${sign}`;
      }),
    ),
  );
  const rest = running.length - shown.length;
  return { lines: [...lines, ...(rest > 0 ? [`and ${rest} more`] : [])], alerts };
}
