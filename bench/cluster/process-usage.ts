/** What a process has used so far, as the kernel says: CPU seconds, memory now and at its peak. */
import { readFileSync } from 'node:fs';

/** Of a second, in `/proc/<pid>/stat` (USER_HZ). */
const TICKS = 100;

export interface ProcessUsage {
  readonly cpuSeconds: number;
  readonly rssMb: number;
  readonly peakRssMb: number;
}

export function usageOf(pid: number): ProcessUsage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in brackets may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mb = (key: string): number => Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1] ?? Number.NaN) / 1024;
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS,
    rssMb: mb('VmRSS'),
    peakRssMb: mb('VmHWM'),
  };
}
