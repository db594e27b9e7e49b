/** The runs that head daemons left open: what a head takes on when it starts. One listing of folders, one lease per run. */
import pLimit from 'p-limit';

import { readLease } from '../run/lease.ts';
import { readStatus } from '../run/status.ts';
import { RUNS_PREFIX, runIdOf, runLeaseName } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { listFolders } from '../store/prefix.ts';

const READS_AT_ONCE = 32;
/** Runs looked at before the first of them is given out. */
const WINDOW = 256;

/** Ids of runs whose lease a daemon has not given up, and that have no terminal state. @throws SkeinError the store's */
export async function* openDaemonRuns(store: ObjectStore, signal: AbortSignal): AsyncGenerator<string> {
  const limit = pLimit(READS_AT_ONCE);
  let window: Promise<string | undefined>[] = [];
  const isOpen = async (runId: string): Promise<string | undefined> => {
    const lease = await readLease(store, runLeaseName(runId));
    if (lease?.kind !== 'daemon' || lease.released) return undefined;
    const status = await readStatus(store, runId, { signal });
    return status?.terminal_state || status?.stopped ? undefined : runId;
  };
  for await (const folder of listFolders(store, RUNS_PREFIX, { signal })) {
    const runId = runIdOf(folder);
    if (runId === undefined) continue;
    window.push(limit(() => isOpen(runId)));
    if (window.length < WINDOW) continue;
    yield* (await Promise.all(window)).filter((each) => each !== undefined);
    window = [];
  }
  yield* (await Promise.all(window)).filter((each) => each !== undefined);
}
