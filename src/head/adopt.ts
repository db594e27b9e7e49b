/**
 * Takes on a run from what the store says of it: the manifest gives its ids, the rows say what is done. A fresh run, a
 * resumed one and one whose head died are the same to this (DESIGN "Head life").
 */
import pLimit from 'p-limit';

import type { Logger } from '../kernel/log.ts';
import { rowsPrefix } from '../store/layout.ts';
import type { ObjectStore } from '../store/port.ts';
import { readPatiently } from '../store/create-or-confirm.ts';
import { listAll } from '../store/prefix.ts';
import { ActiveRun, type RunNodes } from './active-run.ts';
import { canonicalRow, groupRowPaths, type CanonicalRow } from '../run/canonical-row.ts';
import { Heartbeat, type ActorCounts } from './heartbeat.ts';
import { databaseOf, readManifest, type Manifest } from '../run/manifest.ts';
import { RunLedger, type LedgerTask, type TaskPhase } from './run-ledger.ts';
import { readStatus } from '../run/status.ts';

/** Rows read at a time. */
const READS_AT_ONCE = 32;

export interface AdoptOptions {
  readonly store: ObjectStore;
  readonly runId: string;
  readonly log: Logger;
  readonly nodes: RunNodes;
  /** For the status. */
  readonly actors: () => ActorCounts;
}

/** The run, ready to be dispatched. @throws SkeinError NOT_FOUND | CORRUPT (manifest) | STORE_UNAVAILABLE */
export async function adoptRun({ store, runId, log, nodes, actors }: AdoptOptions): Promise<ActiveRun> {
  const manifest = await readManifest(store, runId);
  const [rows, status] = await Promise.all([readRows(store, manifest), readStatus(store, runId)]);
  const attempt = status?.attempt ?? 1;
  // A run with heartbeats and ids without a row was interrupted: those ids may have been started before.
  const isResumed = status?.last_heartbeat_ts !== undefined && status.last_heartbeat_ts !== null;
  const tasks = manifest.instance_ids
    .map((instanceId): LedgerTask => {
      const phase = phaseOf(rows.get(instanceId));
      if (isResumed && phase.kind === 'waiting') {
        log.info({ run: runId, instance: instanceId, attempt }, 'id without a row: started again as the same attempt');
      }
      return { instanceId, database: databaseOf(manifest, instanceId), attempt, phase };
    })
    .sort(byDatabaseAndId);
  const ledger = new RunLedger(tasks);
  const heartbeat = new Heartbeat(store, log, actors);
  const run = new ActiveRun(runId, attempt, ledger, nodes, heartbeat);
  await heartbeat.start(run);
  return run;
}

/** Plain string order, as the seed's job arguments (L-15). */
function byDatabaseAndId(a: LedgerTask, b: LedgerTask): number {
  const [x, y] = a.database === b.database ? [a.instanceId, b.instanceId] : [a.database, b.database];
  return x < y ? -1 : x > y ? 1 : 0;
}

function phaseOf(row: CanonicalRow | undefined): TaskPhase {
  switch (row?.kind) {
    case 'row':
      return { kind: 'row', isError: row.isError };
    case 'unreadable':
      // Something stands in its place: a second attempt is the user's to ask for.
      return { kind: 'row', isError: true };
    case 'missing':
    case undefined:
      return { kind: 'waiting' };
  }
}

/** The canonical row of every id that has any. */
async function readRows(store: ObjectStore, manifest: Manifest): Promise<Map<string, CanonicalRow>> {
  const prefix = rowsPrefix(manifest.run_id);
  const paths: string[] = [];
  for await (const { name } of listAll(store, prefix)) paths.push(name.slice(prefix.length));
  const limit = pLimit(READS_AT_ONCE);
  const found = await Promise.all(
    [...groupRowPaths(paths)].map(([instanceId, files]) =>
      limit(async () => {
        const read = async (path: string): Promise<Uint8Array | undefined> =>
          (await readPatiently(store, `${prefix}${path}`))?.bytes;
        return [instanceId, await canonicalRow(files, ({ path }) => read(path))] as const;
      }),
    ),
  );
  return new Map(found);
}
