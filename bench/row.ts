/** One line of the bench table: a figure of ours beside a real peer's in the same run. */
export interface BenchRow {
  readonly name: string;
  readonly ours: number;
  /** What the peer reached; absent where the target is absolute. */
  readonly peer?: number;
  /** `ours / peer`, or ours against the target's own unit. */
  readonly ratio?: number;
  /** What is asked for, as text: `>= 0.7`, `<= 50 ms`. */
  readonly target: string;
  readonly unit: string;
  readonly isMet: boolean;
  readonly note?: string;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A row whose target is a least ratio to the peer. */
export function atLeastRatio(
  name: string,
  unit: string,
  ours: number,
  peer: number,
  least: number,
  note?: string,
): BenchRow {
  const ratio = ours / peer;
  return { name, unit, ours, peer, ratio, target: `>= ${least} of peer`, isMet: ratio >= least, ...(note && { note }) };
}

/** A row whose target is a greatest ratio to the peer (times, memory). */
export function atMostRatio(
  name: string,
  unit: string,
  ours: number,
  peer: number,
  most: number,
  note?: string,
): BenchRow {
  const ratio = ours / peer;
  return { name, unit, ours, peer, ratio, target: `<= ${most} of peer`, isMet: ratio <= most, ...(note && { note }) };
}

/** A row with an absolute bound. */
export function atMost(name: string, unit: string, ours: number, most: number, note?: string): BenchRow {
  return { name, unit, ours, target: `<= ${most} ${unit}`, isMet: ours <= most, ...(note && { note }) };
}

export function atLeast(name: string, unit: string, ours: number, least: number, note?: string): BenchRow {
  return { name, unit, ours, target: `>= ${least} ${unit}`, isMet: ours >= least, ...(note && { note }) };
}
