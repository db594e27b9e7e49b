/** `skein status`: a head, its nodes and runs, at this moment. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';

import { NodeState, RunState, type NodeStatus, type RunSummary, type StatusResponse } from '../../gen/skein/v1/run.ts';
import { readyPath } from '../../daemon/ready-file.ts';
import { SkeinError } from '../../kernel/errors.ts';
import { clusterOf, type Cluster } from '../cluster.ts';
import type { CliContext } from '../context.ts';
import { OK } from '../exit-code.ts';
import type { Flags } from '../flags.ts';
import { durationText, helperLines } from '../progress-text.ts';
import { connect } from '../run-place.ts';
import { tableText } from '../table.ts';

const HERE = './skein-data/head';

/** Does it. The exit code. @throws SkeinError */
export async function status(flags: Flags, context: CliContext): Promise<number> {
  const head = await connect(await clusterOrHere(flags, context), context);
  using client = head.client;
  const now = await client.status();
  if (flags.has('json')) context.out.line(JSON.stringify(asJson(now)));
  else print(now, context);
  return OK;
}

/** The head that was named, else the one that runs in this folder. @throws SkeinError INVALID_INPUT */
export async function clusterOrHere(flags: Flags, context: CliContext): Promise<Cluster> {
  const named = await clusterOf(flags, context);
  if (named) return named;
  const isHere = await stat(readyPath(HERE)).catch(() => undefined);
  const here = isHere && (await clusterOf(flags.with('data-dir', resolve(HERE)), context));
  if (here) return here;
  throw new SkeinError('INVALID_INPUT', 'no head is named: give --address or --data-dir, or set SKEIN_ADDRESS', {
    fields: { field: '--address' },
  });
}

const NODE_STATES: Readonly<Record<NodeState, string>> = {
  [NodeState.UNSPECIFIED]: 'unknown',
  [NodeState.CONNECTED]: 'connected',
  [NodeState.SILENT]: 'silent',
  [NodeState.LEAVING]: 'leaving',
  [NodeState.UNRECOGNIZED]: 'unknown',
};

const RUN_STATES: Readonly<Record<RunState, string>> = {
  [RunState.UNSPECIFIED]: 'unknown',
  [RunState.RUNNING]: 'running',
  [RunState.DRAINING]: 'draining',
  [RunState.DONE]: 'done',
  [RunState.STOPPED]: 'stopped',
  [RunState.FAILED]: 'error',
  [RunState.UNRECOGNIZED]: 'unknown',
};

function print(now: StatusResponse, { out }: CliContext): void {
  const upS = (Date.now() - now.startedMs) / 1000;
  const lease = now.hasLease ? `epoch ${now.epoch}` : 'its lease is lost: it hands out nothing';
  out.line(`head ${now.address}: version ${now.version}, up ${durationText(upS)}, ${mega(now.rssBytes)}, ${lease}`);
  out.line(`store ${now.storeUrl}: ${now.storeTrouble === '' ? 'healthy' : now.storeTrouble}`);
  if (now.nodes.length === 0) out.line('no nodes');
  else out.line(`\n${nodeTable(now.nodes)}`);
  for (const { node, trouble } of now.nodes) if (trouble !== '') out.line(`node ${node}: ${trouble}`);
  if (now.runs.length === 0) out.line('no runs');
  else out.line(`\n${runTable(now.runs)}`);
  for (const { runId, waitingFor } of now.runs) if (waitingFor !== '') out.line(`run ${runId}: ${waitingFor}`);
  for (const { runId, helperFailures } of now.runs) {
    for (const line of helperLines(helperFailures)) out.line(`run ${runId}: ${line}`);
  }
}

function nodeTable(nodes: readonly NodeStatus[]): string {
  const rows = nodes.map((node) => {
    const state = NODE_STATES[node.state] + (node.silentS > 0 ? ` ${durationText(node.silentS)}` : '');
    const live = `${node.actorsLive}/${node.actors}${node.actorsPending > 0 ? ` +${node.actorsPending}` : ''}`;
    return [node.node, state, live, node.tasksOut, mega(node.spoolBytes), mega(node.rssBytes), node.version];
  });
  const numbers = ['actors', 'tasks', 'spool', 'memory'];
  return tableText(['node', 'state', 'actors', 'tasks', 'spool', 'memory', 'version'], rows, (column) =>
    numbers.includes(column),
  );
}

function runTable(runs: readonly RunSummary[]): string {
  const rows = runs.map(({ runId, state, total, rowsOk, rowsError, waiting, out }) => [
    ...[runId, RUN_STATES[state], `${rowsOk + rowsError}/${total}`, rowsError, waiting, out],
  ]);
  return tableText(
    ['run', 'state', 'done', 'errors', 'waiting', 'out'],
    rows,
    (column) => column !== 'run' && column !== 'state',
  );
}

const mega = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes > 0 && bytes < 1e7 ? 1 : 0)} MB`;

/** The names are part of the command line's contract. */
function asJson(now: StatusResponse): Record<string, unknown> {
  return {
    address: now.address,
    version: now.version,
    head_id: now.headId,
    boot_id: now.bootId,
    epoch: now.epoch,
    has_lease: now.hasLease,
    started_ms: now.startedMs,
    rss_bytes: now.rssBytes,
    store: { url: now.storeUrl, trouble: now.storeTrouble || null },
    nodes: now.nodes.map((node) => ({
      node: node.node,
      state: NODE_STATES[node.state],
      version: node.version,
      actors: node.actors,
      actors_live: node.actorsLive,
      actors_pending: node.actorsPending,
      tasks_out: node.tasksOut,
      silent_s: node.silentS,
      spool_bytes: node.spoolBytes,
      rss_bytes: node.rssBytes,
      trouble: node.trouble || null,
    })),
    runs: now.runs.map((run) => ({
      run_id: run.runId,
      state: RUN_STATES[run.state],
      total: run.total,
      rows_ok: run.rowsOk,
      rows_error: run.rowsError,
      waiting: run.waiting,
      out: run.out,
      waiting_for: run.waitingFor || null,
      helper_failures: run.helperFailures,
    })),
    queue: now.runs.reduce((sum, { waiting }) => sum + waiting, 0),
  };
}
