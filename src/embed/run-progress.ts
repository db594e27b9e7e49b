/** A run's progress as its head tells it, in the words of the command line. */
import type { WatchRunResponse } from '../gen/skein/v1/run.ts';

export interface RunProgress {
  readonly total: number;
  readonly rowsOk: number;
  readonly rowsError: number;
  /** Started and not ended, the oldest first. `node` is empty where nobody says. */
  readonly inFlight: readonly {
    readonly instanceId: string;
    readonly database: string;
    readonly elapsedS: number;
    readonly node: string;
  }[];
  readonly databases: readonly {
    readonly database: string;
    readonly total: number;
    readonly done: number;
    readonly errors: number;
    readonly inFlight: number;
  }[];
  /** Undefined where nobody says. */
  readonly nodes: number | undefined;
  readonly actorsLive: number;
  readonly actorsPending: number;
  /** Attempts that were lost and started again. */
  readonly retried: number;
  /** Real results that found another row in their place. */
  readonly lateRows: number;
  /** Uploads that failed without failing a task. */
  readonly helperFailures: number;
  /** What nothing is started without, and how to give it; absent or empty: nothing. */
  readonly waitingFor?: string;
  /** The same, by kind. */
  readonly failedHelpers: Readonly<Record<string, number>>;
}

export function progressOf({ helperFailures, ...rest }: WatchRunResponse): RunProgress {
  const {
    total,
    rowsOk,
    rowsError,
    inFlight,
    databases,
    nodes,
    actorsLive,
    actorsPending,
    retried,
    lateRows,
    waitingFor,
  } = rest;
  return {
    total,
    rowsOk,
    rowsError,
    inFlight,
    databases,
    nodes,
    actorsLive,
    actorsPending,
    retried,
    lateRows,
    waitingFor,
    helperFailures: Object.values(helperFailures).reduce((sum, count) => sum + count, 0),
    failedHelpers: helperFailures,
  };
}
