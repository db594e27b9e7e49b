/** What the head and its nodes say of themselves: asked once, shown in parts. */
import { ActorPhase } from '../../gen/skein/v1/node.ts';
import { NodeState, type InspectResponse } from '../../gen/skein/v1/run.ts';
import { durationText, plural } from '../progress-text.ts';
import { bytesText } from '../show/show-text.ts';
import { tableText } from '../table.ts';
import { SkippedSection, type Findings, type Section } from './section.ts';
import type { Sources } from './sources.ts';

export function headSections(sources: Sources): Section[] {
  const of = (name: string, show: (answer: InspectResponse) => Findings): Section => ({
    name,
    look: async () => show(await sources.inspect()),
  });
  return [
    of('head', headFindings),
    { name: 'nodes', look: async () => nodeFindings(sources) },
    { name: 'actors', look: async () => actorFindings(sources) },
    of('queue', (answer) => queueFindings(answer, sources.runId)),
    of('spools', spoolFindings),
    of('head log', ({ log }) => logFindings(log, 'head')),
    of('node logs', nodeLogFindings),
  ];
}

function headFindings({ status }: InspectResponse): Findings {
  if (!status) return { lines: ['it says nothing of itself'] };
  const lines = [
    `address ${status.address}, version ${status.version}, head ${status.headId}, boot ${status.bootId}`,
    `up ${durationText((Date.now() - status.startedMs) / 1000)}, memory ${bytesText(status.rssBytes)}`,
    status.hasLease ? `holds the lease, epoch ${status.epoch}` : 'has lost its lease',
    `store ${status.storeUrl}: ${status.storeTrouble || 'healthy'}`,
    ...status.runs.map(
      ({ runId, rowsOk, rowsError, total, waiting, out }) =>
        `run ${runId}: ${rowsOk + rowsError} of ${total} rows, ${plural(rowsError, 'error')}, ${waiting} waiting, ${out} out`,
    ),
  ];
  const alerts = [
    ...(status.hasLease ? [] : ['the head has lost its lease: it hands out nothing']),
    ...(status.storeTrouble === '' ? [] : [`the head has trouble with its store: ${status.storeTrouble}`]),
  ];
  return { lines, alerts };
}

async function nodeFindings(sources: Sources): Promise<Findings> {
  const answer = await sources.inspect().catch((error: unknown) => error);
  if (answer instanceof Error) {
    const named = (await sources.status().catch(() => undefined))?.nodes ?? [];
    if (named.length === 0) throw answer;
    const lines = named.map(
      ({ node, boot_id: boot, tasks_out: out }) => `${node}, boot ${boot || 'unknown'}: ${out} tasks`,
    );
    return { lines: ['as the last heartbeat named them:', ...lines] };
  }
  const { status, nodes } = answer as InspectResponse;
  const records = new Map(status?.nodes.map((node) => [node.node, node]));
  const alerts: string[] = [];
  const lines = nodes.flatMap(({ node, bootId, dataDirId, failure }) => {
    const record = records.get(node);
    const state =
      record?.state === NodeState.CONNECTED ? 'connected' : record?.state === NodeState.LEAVING ? 'leaving' : 'silent';
    const silentS = record?.silentS ?? 0;
    if (state === 'silent') alerts.push(`node ${node} is silent for ${durationText(silentS)}`);
    if (record?.trouble) alerts.push(`node ${node} takes no work: ${record.trouble}`);
    return [
      `${node}: ${state}${silentS > 0 ? ` ${durationText(silentS)}` : ''}, boot ${bootId || 'unknown'}, data dir ${dataDirId || 'unknown'}`,
      `  ${record?.actorsLive ?? 0} of ${record?.actors ?? 0} actors live, ${record?.actorsPending ?? 0} pending, ${record?.tasksOut ?? 0} tasks out, memory ${bytesText(record?.rssBytes ?? 0)}`,
      ...(record?.trouble ? [`  trouble: ${record.trouble}`] : []),
      ...(failure ? [`  FAILED: ${failure}`] : []),
    ];
  });
  if (nodes.length === 0) alerts.push('no node has joined the head: nothing can run');
  return { lines: lines.length > 0 ? lines : ['none'], alerts };
}

async function actorFindings(sources: Sources): Promise<Findings> {
  const answer = await sources.inspect().catch((error: unknown) => error);
  if (answer instanceof Error) {
    const status = await sources.status().catch(() => undefined);
    if (!status) throw answer;
    const { live, pending } = status.actors;
    return { lines: [`by the last heartbeat ${live} live, ${pending} pending`], alerts: pendingAlert(live, pending) };
  }
  const lines: string[] = [];
  let [live, pending] = [0, 0];
  for (const { node, failure, answer: seen } of (answer as InspectResponse).nodes) {
    if (!seen) {
      lines.push(`${node}: FAILED: ${failure}`);
      continue;
    }
    lines.push(`${node}: ${plural(seen.actors.length, 'actor')}`);
    for (const actor of seen.actors) {
      if (actor.phase === ActorPhase.PENDING) pending += 1;
      else live += 1;
      const phase = { [ActorPhase.PENDING]: 'pending', [ActorPhase.IDLE]: 'idle', [ActorPhase.RUNNING]: 'running' }[
        actor.phase as 1 | 2 | 3
      ];
      const task = actor.instanceId
        ? ` ${actor.instanceId}, attempt ${actor.attempt}, database ${actor.database}, for ${durationText(actor.runningMs / 1000)}`
        : '';
      lines.push(`  ${actor.name} of run ${actor.runId}: ${phase ?? 'unknown'}${task}`);
      lines.push(...actor.lastLines.map((line) => `    | ${line}`));
    }
  }
  return { lines: lines.length > 0 ? lines : ['none'], alerts: pendingAlert(live, pending) };
}

/** P-05: heartbeats go on while no actor ever comes to life. */
function pendingAlert(live: number, pending: number): string[] {
  return live === 0 && pending > 0 ? [`no actor lives, and ${pending} are pending`] : [];
}

function queueFindings({ run, status }: InspectResponse, runId: string): Findings {
  if (!run) throw new SkippedSection('the run is not active at this head');
  const waiting = run.waiting.reduce((sum, { count }) => sum + count, 0);
  const out = status?.runs.find((each) => each.runId === runId)?.out ?? run.inFlight.length;
  const idle = Math.max(0, out - run.inFlight.length);
  const table = tableText(
    ['database', 'waiting'],
    run.waiting.map(({ database, count }) => [database, count]),
    (column) => column === 'waiting',
  );
  const lines = [
    `${waiting} waiting, ${idle} handed out and not begun, ${run.inFlight.length} running; open at ${run.openAt.join(', ') || 'no node'}`,
    ...(run.waiting.length > 0 ? table.split('\n') : []),
    ...run.obstacles,
  ];
  const isIdle = waiting + idle > 0 && run.inFlight.length === 0 && (status?.nodes.length ?? 0) > 0;
  return { lines, alerts: [...run.obstacles, ...(isIdle ? [`${waiting + idle} tasks wait and none runs`] : [])] };
}

function spoolFindings({ nodes, status }: InspectResponse): Findings {
  const said = new Map(status?.nodes.map((node) => [node.node, node.spoolBytes]));
  const lines = nodes.map(({ node, answer, failure }) =>
    answer
      ? `${node}: ${plural(answer.spoolRows, 'row')}, ${bytesText(answer.spoolBytes)} that the store does not have yet`
      : `${node}: ${bytesText(said.get(node) ?? 0)} when it was last heard; FAILED: ${failure}`,
  );
  if (lines.length === 0) throw new SkippedSection('there are no nodes');
  const alerts = nodes
    .filter(({ answer }) => (answer?.spoolRows ?? 0) > 0)
    .map(
      ({ node, answer }) => `node ${node} holds ${plural(answer?.spoolRows ?? 0, 'row')} that the store does not have`,
    );
  return { lines, alerts };
}

/** @param whose for the alerts */
export function logFindings(log: readonly string[], whose: string): Findings {
  if (log.length === 0) throw new SkippedSection('it has no log that can be read');
  const bad = log.filter((line) => /"level":(?:[5-9]\d)/.test(line));
  const last = bad.at(-1);
  const alerts = last === undefined ? [] : [`last error of ${whose}: ${shortLine(last)}`];
  return { lines: log, alerts };
}

function nodeLogFindings({ nodes }: InspectResponse): Findings {
  if (nodes.length === 0) throw new SkippedSection('there are no nodes');
  const alerts: string[] = [];
  const lines = nodes.flatMap(({ node, failure, answer }) => {
    if (!answer) return [`--- ${node}: FAILED: ${failure}`];
    if (answer.log.length === 0) return [`--- ${node}: SKIPPED: it has no log that can be read`];
    alerts.push(...(logFindings(answer.log, `node ${node}`).alerts ?? []));
    return [`--- ${node}`, ...answer.log];
  });
  return { lines, alerts };
}

/** A line of a log, short: its message and what it names. */
function shortLine(line: string): string {
  try {
    const {
      level: _,
      time,
      part: _part,
      node: _node,
      boot: _boot,
      msg,
      ...rest
    } = JSON.parse(line) as Record<string, unknown>;
    const fields = Object.entries(rest).map(
      ([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    );
    return `${String(time)} ${String(msg)}${fields.length > 0 ? ` (${fields.join(', ')})` : ''}`.slice(0, 300);
  } catch {
    return line.slice(0, 300);
  }
}
