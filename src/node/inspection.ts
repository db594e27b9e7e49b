/** What a node sees of itself at one moment, for somebody who looks why things do not go on (V-04, P-04, P-05). */
import { ActorPhase, type HostedActor, type Inspect, type Inspected } from '../gen/skein/v1/node.ts';
import { lastLines } from '../kernel/file-tail.ts';
import { masked } from '../kernel/mask.ts';
import type { ActorSight } from './run-executor.ts';

/** Of what a task printed: enough to see where it stands. */
const TASK_LOG = { lines: 5, bytes: 2_048 };

export interface InspectedNode {
  readonly runs: Iterable<readonly [runId: string, run: { readonly executor: { readonly actors: ActorSight[] } }]>;
  readonly spool: { readonly rows: number; readonly bytes: number } | undefined;
  /** The last lines of this node's own log. */
  readonly recentLog: ((lines: number, bytes: number) => string[]) | undefined;
}

export function inspectedOf({ requestId, logLines, logBytes }: Inspect, node: InspectedNode): Inspected {
  const { runs, spool, recentLog } = node;
  return {
    requestId,
    actors: Array.from(runs, ([runId, { executor }]) => executor.actors.map((actor) => hosted(runId, actor))).flat(),
    log: recentLog?.(logLines, logBytes) ?? [],
    spoolRows: spool?.rows ?? 0,
    spoolBytes: spool?.bytes ?? 0,
  };
}

const PHASES = {
  pending: ActorPhase.PENDING,
  idle: ActorPhase.IDLE,
  running: ActorPhase.RUNNING,
} as const satisfies Record<ActorSight['kind'], ActorPhase>;

function hosted(runId: string, { kind, name, logPath, task, startedMs }: ActorSight): HostedActor {
  return {
    name,
    runId,
    phase: PHASES[kind],
    instanceId: task?.instanceId ?? '',
    attempt: task?.attempt ?? 0,
    database: task?.database ?? '',
    runningMs: startedMs === undefined ? 0 : Math.max(0, Date.now() - startedMs),
    lastLines: task ? lastLines(logPath, TASK_LOG).map(masked) : [],
  };
}
