/** What a bench asks of the server's calls. */
import type { GcsServer } from './server.ts';

/** The time between the first row stored and the last, and how many calls were answered meanwhile. */
export function rowTraffic({ calls }: GcsServer): { count: number; ms: number; calls: number } {
  const rows = calls.filter(({ operation, name }) => operation === 'create' && name.includes('/rows/'));
  const first = rows[0]?.atMs ?? 0;
  const last = rows.at(-1)?.atMs ?? 0;
  return {
    count: rows.length,
    ms: last - first,
    calls: calls.filter(({ atMs }) => atMs > first && atMs <= last).length,
  };
}
