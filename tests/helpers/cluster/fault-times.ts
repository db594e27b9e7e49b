/**
 * When the head knew of a fault and when its victim worked again: read from the head's log and from the journal of the
 * tasks, after the fact, so that looking does not load the machine.
 */
import type { NoopRecord } from '../../../src/frameworks/noop.ts';
import type { Checker } from './checker.ts';
import type { Cluster } from './cluster.ts';

/** Fills in `detectedMs` and `recoveredMs` of the checker's faults. */
export async function accountFaults(cluster: Cluster, checker: Checker, records: readonly NoopRecord[]): Promise<void> {
  const head = (await cluster.head.log()).map((line) => ({ node: line['node'], atMs: Date.parse(line.time) }));
  const starts = records.filter(({ what }) => what === 'start');
  for (const fault of checker.faults) {
    const { target, fromMs, mendedMs } = fault;
    if (target === 'client' || mendedMs === undefined) continue;
    // What the head logs of a node is of its going away or coming back; its work is not logged line by line.
    const line = head.find((entry) => entry.node === target && entry.atMs >= fromMs);
    if (line && target !== 'head' && line.atMs <= mendedMs) fault.detectedMs = line.atMs - fromMs;
    const start = starts.find(({ at_ms }) => at_ms >= mendedMs);
    if (start) fault.recoveredMs = start.at_ms - mendedMs;
  }
}
